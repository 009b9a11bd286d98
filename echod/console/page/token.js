/** Asks the person for the daemon's token. */

import { byId } from "./dom.js";

/** Ask, and return the token, or null if there is none. `wrong` tells that the last one was not right. */
export function askToken(wrong) {
  const dialog = byId("token");
  const input = byId("token-input");
  byId("token-wrong").hidden = !wrong;
  input.value = "";
  dialog.returnValue = "";
  return new Promise((resolve) => {
    byId("token-form").onsubmit = (event) => {
      event.preventDefault();
      dialog.close("given");
    };
    byId("token-cancel").onclick = () => dialog.close("");
    dialog.onclose = () => {
      const given = input.value.trim();
      input.value = "";
      resolve(dialog.returnValue === "given" && given ? given : null);
    };
    dialog.showModal();
    input.focus();
  });
}
