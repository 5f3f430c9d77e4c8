// Extensions of JupyterLab: the course's sentences in the dialog of nbgrader's Validate, and Submit
// that hands in what is on the screen. Written as JupyterLab loads them, without a build: a container
// with one module.
(() => {
  "use strict";

  const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const sentences = JSON.parse(page.autograderSentences || "{}");

  /** Replace the sentences that are known; what is a student's stands in `pre`. */
  function replace(dialog) {
    for (const element of dialog.querySelectorAll(".jp-Dialog-header, #validation-message p")) {
      const text = element.firstChild; // kept, since React may hold it
      if (text && text.nodeType === Node.TEXT_NODE && text.data.trim() in sentences) {
        text.data = sentences[text.data.trim()];
      }
    }
    const failed = dialog.querySelector("#validation-message.validation-failed");
    if (failed && !failed.querySelector(".autograder-more")) {
      tellOnce(failed);
    }
  }

  /** Say once that checks fail, let names stand out, and say that grading checks more. */
  function tellOnce(failed) {
    failed.querySelectorAll("p").forEach((said, place) => {
      said.hidden = place > 0;
      said.parentElement.nextElementSibling.style.fontWeight = "bold";
    });
    const more = document.createElement("p");
    more.className = "autograder-more";
    more.textContent = sentences["More"];
    failed.append(more);
  }

  /** Watch for the dialog, whose title is drawn a moment after the rest. */
  function watch() {
    const dialog = document.getElementById("validation-message")?.closest(".jp-Dialog");
    if (dialog && !dialog.dataset.autograder) {
      dialog.dataset.autograder = "watched";
      new MutationObserver(() => replace(dialog)).observe(dialog, { childList: true, subtree: true });
      replace(dialog);
    }
  }

  const validation = {
    id: "autograder-lab:validation",
    description: "Says in the course's language what nbgrader's Validate found.",
    autoStart: true,
    activate: () => {
      new MutationObserver(watch).observe(document.body, { childList: true }); // dialogs are there
    },
  };

  /** The open documents with changes that are not in their files, and may be written there. */
  function unsaved(app) {
    const contexts = [...app.shell.widgets("main")].map((widget) => widget.context);
    const changed = contexts.filter((one) => one?.model?.dirty && one.contentsModel?.writable);
    return [...new Set(changed)]; // a notebook may be open in two views
  }

  /** Let Submit, and the list's own Validate, wait until all is saved: they read the files. */
  function saveFirst(app) {
    const waiting = new WeakSet();
    const ready = new WeakSet();

    async function saveAndClick(button, contexts) {
      waiting.add(button);
      try {
        await Promise.all(contexts.map((one) => one.save()));
        ready.add(button);
        button.click();
      } catch (error) {
        console.error(error); // JupyterLab shows why
        const options = { autoClose: false }; // shown until it is closed
        const told = { message: sentences["Not saved"], type: "error", options };
        await app.commands.execute("apputils:notify", told);
      } finally {
        waiting.delete(button);
        ready.delete(button);
      }
    }

    return (event) => {
      const button = event.target.closest?.("#fetched_assignments_list .item_status button");
      if (!button || ready.has(button)) {
        return;
      }
      const contexts = unsaved(app);
      if (contexts.length || waiting.has(button)) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
      if (contexts.length && !waiting.has(button)) {
        saveAndClick(button, contexts);
      }
    };
  }

  const submission = {
    id: "autograder-lab:submission",
    description: "Saves what is open before nbgrader's list of assignments reads the files.",
    autoStart: true,
    activate: (app) => {
      document.addEventListener("click", saveFirst(app), { capture: true });
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["autograder-lab"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: [validation, submission] }),
  };
})();
