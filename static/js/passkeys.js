// allauth's scripts talk to the browser about passkeys; what goes wrong there is said on the page.
"use strict";

document.addEventListener("allauth.error", (event) => {
  event.preventDefault();
  const place = document.getElementById("passkey-error");
  const gaveUp = ["NotAllowedError", "AbortError"].includes(event.detail.exception.name);
  place.querySelector(".alert-title").textContent = gaveUp
    ? "The device did not answer, or you closed its window. Try again."
    : event.detail.exception.name === "InvalidStateError"
      ? "This device has a passkey for your account already."
      : "This browser or device could not use a passkey here. Try another way.";
  place.hidden = false;
  place.focus();
});
