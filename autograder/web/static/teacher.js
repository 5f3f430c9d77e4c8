/* What makes a teacher's pages handier; without it everything works. */
"use strict";

for (const one of document.querySelectorAll(".script-only")) one.hidden = false;
for (const one of document.querySelectorAll(".no-script")) one.hidden = true;

/* All students on the page at once. */
const all = document.getElementById("choose-all");
if (all) {
  const boxes = [...document.querySelectorAll("input[name=students]")];
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  for (const box of boxes) {
    box.addEventListener("change", () => {
      const count = boxes.filter((one) => one.checked).length;
      all.checked = count === boxes.length;
      all.indeterminate = count > 0 && count < boxes.length;
    });
  }
}

/* Work that is under way. */
const job = document.getElementById("job");
if (job) {
  let wait = 1000;
  const look = async () => {
    try {
      const answer = await fetch(job.dataset.state, { headers: { accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const said = await answer.json();
      const progress = document.getElementById("progress");
      if (said.state !== "running" || (said.total && !progress)) {
        location.reload();
        return;
      }
      if (progress) {
        document.getElementById("done").textContent = said.done;
        progress.value = said.done;
      }
    } catch {
      wait = Math.min(wait * 2, 15000);
    }
    wait = Math.min(wait * 1.2, 10000);
    setTimeout(look, wait);
  };
  setTimeout(look, wait);
}
