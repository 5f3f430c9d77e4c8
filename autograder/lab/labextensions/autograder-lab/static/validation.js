// An extension of JupyterLab that puts the course's sentences into the dialog of nbgrader's Validate.
// It is written as JupyterLab loads it, without a build: a container with one module.
(() => {
  "use strict";

  const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const sentences = JSON.parse(page.autograderValidation || "{}");

  /** Replace the sentences that are known; what is a student's stands in `pre`. */
  function replace(dialog) {
    for (const element of dialog.querySelectorAll(".jp-Dialog-header, #validation-message p")) {
      const text = element.firstChild; // kept, since React may hold it
      if (text && text.nodeType === Node.TEXT_NODE && text.data.trim() in sentences) {
        text.data = sentences[text.data.trim()];
      }
    }
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

  const plugin = {
    id: "autograder-lab:validation",
    description: "Says in the course's language what nbgrader's Validate found.",
    autoStart: true,
    activate: () => {
      new MutationObserver(watch).observe(document.body, { childList: true }); // dialogs are there
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["autograder-lab"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
