/**
 * Which connection runs in which lane of the timeline.
 *
 * A connection holds a lane from its begin to its end, so a line can be drawn. UDP has no connections: a datagram is a
 * dot, and its colour is that of its peer.
 */

/** How many lanes there are; the last is for all connections that find none. */
export const LANES = 5;
const PEERS = 64;
const ENDS = new Set(["closed", "reset", "dropped"]);

/** The lanes, as they change from one event to the next. */
export class Lanes {
  constructor() {
    this.clear();
  }

  /** Forget every connection, as when their ends may not have been told. */
  clear() {
    this.held = Array.from({ length: LANES }, () => new Set());
    this.peers = new Map();
    this.turn = 0;
  }

  /**
   * Take an event, and return what its row draws.
   *
   * @returns {{lane: number, before: boolean[], after: boolean[]}} the event's own lane or colour, and in which lanes
   *     a line comes from above and goes on below.
   */
  take({ kind, connection, peer, service }) {
    const open = this.open();
    if (typeof connection !== "number") {
      return { lane: this.colour(`${service} ${peer}`), before: open, after: open };
    }
    let lane = this.held.findIndex((talks) => talks.has(connection));
    if (lane < 0) {
      lane = this.free();
      if (kind === "dropped") {
        return { lane, before: open, after: open }; // it was never let in
      }
      this.held[lane].add(connection);
    }
    // A connection that was there before anybody looked has a line from above.
    const before = kind === "opened" ? open : this.open();
    if (ENDS.has(kind)) {
      this.held[lane].delete(connection);
    }
    return { lane, before, after: this.open() };
  }

  open() {
    return this.held.map((talks) => talks.size > 0);
  }

  free() {
    const found = this.held.findIndex((talks, index) => talks.size === 0 && index < LANES - 1);
    return found < 0 ? LANES - 1 : found;
  }

  /** Return the colour of a peer, the same as long as it is among the latest. */
  colour(peer) {
    const known = this.peers.get(peer) ?? this.turn++ % LANES;
    this.peers.delete(peer);
    this.peers.set(peer, known);
    if (this.peers.size > PEERS) {
      this.peers.delete(this.peers.keys().next().value);
    }
    return known;
  }
}
