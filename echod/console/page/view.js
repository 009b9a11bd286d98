/** Shows a service that is written by hand, and says where to change it. */

import { byId } from "./dom.js";
import { tell } from "./words.js";
import { toYaml } from "./yaml.js";

/** The dialog; `copy` is given the settings and name of a copy that is to be made. */
export class View {
  constructor(copy, services) {
    this.dialog = byId("view");
    byId("view-close").addEventListener("click", () => this.dialog.close());
    byId("view-copy").addEventListener("click", () => {
      const { name, settings, protocol, addresses } = this.service;
      const listen = services.freeListen(addresses.some(({ datagram }) => datagram) ? "udp" : "tcp");
      this.dialog.close();
      copy({ protocol, ...settings, listen }, services.freeName(name));
    });
  }

  show(service) {
    this.service = service;
    const { name, settings, source } = service;
    byId("view-title").textContent = name;
    tell(byId("view-where"), "view.where", { file: source.file, line: source.line });
    byId("view-reason").textContent = source.reason ?? "";
    byId("view-yaml").textContent = toYaml(name, settings);
    this.dialog.showModal();
  }
}
