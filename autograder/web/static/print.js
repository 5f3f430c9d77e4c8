"use strict";
for (const one of document.querySelectorAll(".script-only")) one.hidden = false;
document.getElementById("print")?.addEventListener("click", () => window.print());
