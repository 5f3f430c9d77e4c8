/* What makes a student's page handier. Without it everything works but the live state. */
"use strict";

const FIRST_WAIT = 1500;
const LONGEST_WAIT = 15000;

for (const one of document.querySelectorAll(".script-only")) one.hidden = false;
const hide = () => {
  for (const one of document.querySelectorAll(".no-script")) one.hidden = true;
};
hide();

/* Handing in: what was chosen, files that are dropped, and one press only. */
const form = document.getElementById("hand-in");
if (form) {
  const input = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  const chosen = document.getElementById("chosen");
  const button = form.querySelector("button");
  const size = (bytes) =>
    bytes < 1024 * 1024 ? `${Math.max(1, Math.round(bytes / 1024))} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
  const show = () => {
    chosen.replaceChildren();
    let large = "";
    for (const file of input.files) {
      const item = document.createElement("li");
      item.textContent = `${file.name} (${size(file.size)})`;
      if (file.size > Number(form.dataset.most)) {
        large = form.dataset.large.replace("{name}", file.name);
        item.textContent = large;
        item.className = "bad-text";
      }
      chosen.append(item);
    }
    input.setCustomValidity(large);
  };
  input.addEventListener("change", show);
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    if (event.dataTransfer.files.length) {
      input.files = event.dataTransfer.files;
      show();
    }
  });
  const label = button.textContent;
  form.addEventListener("submit", () => {
    button.disabled = true;
    button.textContent = form.dataset.sending;
  });
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) {
      button.disabled = false;
      button.textContent = label;
    }
  });
}

/* The state of the latest attempt: asked for less and less often, and not while nobody looks. */
let wait = FIRST_WAIT;
let timer = 0;

const renew = async () => {
  const answer = await fetch(location.pathname);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ["latest", "attempts-card"]) {
    const made = page.getElementById(id);
    if (made && document.getElementById(id)) document.getElementById(id).replaceWith(made);
  }
  hide();
};

const look = async () => {
  const card = document.getElementById("latest");
  if (!card || card.dataset.final !== "no") return;
  const told = document.getElementById("told");
  try {
    const answer = await fetch(card.dataset.state, { headers: { accept: "application/json" } });
    if (answer.status === 401 || answer.status === 404) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const said = await answer.json();
    if (said.final || String(said.number) !== card.dataset.number) {
      await renew();
      const now = document.getElementById("told");
      if (now) {
        const text = now.textContent; // put in again, so that it is read aloud
        now.textContent = "";
        setTimeout(() => (now.textContent = text), 100);
      }
      plan(FIRST_WAIT);
      return;
    }
    if (told.textContent !== said.told) {
      told.textContent = said.told;
      wait = FIRST_WAIT;
    }
  } catch {
    told.textContent = card.dataset.lost;
  }
  plan(Math.min(wait * 1.5, LONGEST_WAIT));
};

const plan = (milliseconds) => {
  wait = milliseconds;
  clearTimeout(timer);
  if (document.visibilityState === "visible") timer = setTimeout(look, milliseconds);
};

document.addEventListener("visibilitychange", () => plan(FIRST_WAIT));
plan(FIRST_WAIT);
