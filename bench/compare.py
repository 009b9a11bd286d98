"""
Compare what an echo costs: echod beside C, Go, asyncio, uvloop and the echo of Twisted's documentation.

The figure is the server's CPU time per message as a ratio to the C server's: 1.00 is as cheap as C. A load is
PROTOCOL:CONNECTIONS:BYTES:DEPTH; each connection has DEPTH messages under way.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import peers
from bench.measure import Load, take_turns
from bench.report import chart, circumstances, document, heading, ratios
from bench.servers import Server

if TYPE_CHECKING:
    from bench.measure import Result

LOADS = ["tcp:64:64:1", "tcp:64:64:16", "tcp:16:65536:1", "udp:64:64:1", "udp:16:1400:4"]


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m bench.compare", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=20, help="turns of each server (%(default)s)")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn (%(default)s)")
    parser.add_argument("--load", type=Load.parse, action="append", help=f"default: {' '.join(LOADS)}")
    parser.add_argument(
        "--server", type=peers.named, action="append", default=[], metavar="NAME=COMMAND", help="with PORT in it"
    )
    parser.add_argument("--no-peers", action="store_true", help="only C, echod and the servers that are named")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all figures there")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="also draw the ratios there")
    return parser.parse_args()


def main() -> None:
    """Measure and report."""
    options = arguments()
    loads: list[Load] = options.load or [Load.parse(text) for text in LOADS]
    results: dict[str, dict[str, Result]] = {}
    with tempfile.TemporaryDirectory(prefix="echod-bench-") as temporary, ExitStack() as stack:
        work = Path(temporary)
        peers.prepare(work)
        wanted = [*peers.c_peers(work), peers.echod(work), *options.server]
        if not options.no_peers:
            wanted += peers.other_peers(work)
        servers = [stack.enter_context(Server(peer, work)) for peer in wanted]
        for load in loads:
            results[str(load)] = take_turns(servers, load, options.rounds, options.seconds, work)
    where = circumstances()
    print(heading(where, options.rounds, options.seconds))
    print(ratios(results))
    if options.json:
        options.json.write_text(document(where, results))
    if options.svg:
        options.svg.write_text(chart(where, results))


if __name__ == "__main__":
    main()
