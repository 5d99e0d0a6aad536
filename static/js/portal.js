// What neither HTML nor htmx can do: put text on the clipboard, change the theme without a reload,
// close an open menu. Listeners sit on the document, so they serve what htmx swaps in later too.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-from]");
  if (button) {
    const { copy, copyFrom } = button.dataset;
    const source = copyFrom ? document.getElementById(copyFrom) : button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(copy || source.textContent);
      announce("Copied");
      button.dataset.copied = "";
      setTimeout(() => delete button.dataset.copied, 1500);
    } catch {
      announce("Could not copy: select the text and copy it by hand");
    }
  }
  for (const menu of document.querySelectorAll("details.dropdown[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("details.dropdown[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// The form posts to the server where there is no script; here the same choice shows at once.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form.theme-switch");
  if (!form) return;
  event.preventDefault();
  const theme = event.submitter.value;
  fetch(form.action, { method: "POST", body: new FormData(form, event.submitter) });
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("form.theme-switch button")) {
    button.setAttribute("aria-pressed", button.value === theme);
  }
});

function announce(text) {
  const live = document.getElementById("live");
  if (live) live.textContent = text;
}

// A file or text that is too large is refused here, before minutes of sending it; the server says the same.
document.addEventListener("submit", (event) => {
  for (const field of event.target.querySelectorAll("[data-max-bytes]")) {
    const size = field.files ? (field.files[0]?.size ?? 0) : new Blob([field.value]).size;
    document.getElementById(`${field.id}_too_large`)?.remove();
    if (size <= Number(field.dataset.maxBytes)) continue;
    event.preventDefault();
    event.stopPropagation();
    const error = document.createElement("div");
    error.className = "error";
    error.id = `${field.id}_too_large`;
    error.setAttribute("role", "alert");
    error.textContent = event.target.dataset.maxMessage || "This is too large to be sent.";
    field.after(error);
    field.focus();
  }
}, true);
