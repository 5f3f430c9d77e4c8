// An extension of JupyterLab that puts the course's sentences into the dialog of nbgrader's Validate.
// It is written as JupyterLab loads it, without a build: a container with one module.
(() => {
  "use strict";

  const page = JSON.parse(document.getElementById("jupyter-config-data").textContent);
  const sentences = JSON.parse(page.autograderValidation || "{}");

  /** Replace the sentences that are known; what is a student's stays in `pre`. */
  function replace(dialog) {
    for (const element of dialog.querySelectorAll(".jp-Dialog-header, #validation-message p")) {
      const sentence = sentences[element.textContent.trim()];
      if (sentence) {
        element.textContent = sentence;
      }
    }
  }

  const plugin = {
    id: "autograder-lab:validation",
    description: "Says in the course's language what nbgrader's Validate found.",
    autoStart: true,
    activate: () => {
      const dialogs = new MutationObserver(() => {
        const message = document.getElementById("validation-message");
        if (message) {
          replace(message.closest(".jp-Dialog"));
        }
      });
      dialogs.observe(document.body, { childList: true }); // where dialogs are put
    },
  };

  window._JUPYTERLAB = window._JUPYTERLAB || {};
  window._JUPYTERLAB["autograder-lab"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
