// Says when the live connection is lost, and keeps the tab's title in step with the state. Everything else is rendered by the server.
(function () {
  "use strict";
  const words = { ok: "✓", warning: "▲", critical: "✕", unknown: "?" };
  function title() {
    const top = document.querySelector("[data-state]");
    if (top) document.title = (words[top.dataset.state] || "") + " repwatch";
  }
  let timer = 0;
  function connected(yes) {
    window.clearTimeout(timer);
    if (yes) document.body.classList.remove("cut");
    else timer = window.setTimeout(function () { document.body.classList.add("cut"); }, 1500);
  }
  document.addEventListener("htmx:sseOpen", function () { connected(true); });
  document.addEventListener("htmx:sseError", function () { connected(false); });
  document.addEventListener("htmx:sseClose", function () { connected(false); });
  document.addEventListener("htmx:sseMessage", function () { connected(true); title(); });
  title();
})();
