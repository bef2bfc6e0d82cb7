// Small comforts. Every page works without this file.
"use strict";

// A form with faults: lead the reader to the summary.
document.querySelector(".error-summary")?.focus();

// Buttons that copy the text of the element they name; hidden without script.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  if (!source || !navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(source.textContent.trim());
    const said = document.getElementById(button.getAttribute("aria-describedby"));
    if (said) said.textContent = button.dataset.done;
  });
}

// A form that was changed and not sent: ask before leaving.
for (const form of document.querySelectorAll("form[data-guard]")) {
  let changed = false;
  form.addEventListener("input", () => { changed = true; });
  form.addEventListener("submit", () => { changed = false; });
  window.addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}

// Send once: a second click within a moment is a slip.
for (const form of document.querySelectorAll('form[method="post"]')) {
  let sentAt = 0;
  form.addEventListener("submit", (event) => {
    const now = event.timeStamp;
    if (sentAt && now - sentAt < 3000) event.preventDefault();
    else sentAt = now;
  });
}

// How many characters are left, said when it gets close.
for (const counter of document.querySelectorAll("[data-counts]")) {
  const field = document.getElementById(counter.dataset.counts);
  if (!field || field.maxLength < 1) continue;
  const update = () => {
    const left = field.maxLength - field.value.length;
    counter.hidden = left > field.maxLength / 5;
    counter.textContent = counter.dataset.text.replace("{left}", String(left));
  };
  field.addEventListener("input", update);
  update();
}

// One open menu at a time; Escape and a click elsewhere close it.
const menus = document.querySelectorAll("details.dropdown");
document.addEventListener("click", (event) => {
  for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus) {
    if (menu.open && menu.contains(document.activeElement)) {
      menu.querySelector("summary").focus();
    }
    menu.open = false;
  }
});

// An invitation: its code stands after the # and never reaches the server.
const invitation = document.querySelector("[data-invitation]");
const fragment = new URLSearchParams(location.hash.slice(1));
if (invitation && /^[0-9A-Z-]{4,40}$/i.test(fragment.get("code") ?? "")) {
  const code = `${invitation.dataset.invitation}/${fragment.get("code")}`.toUpperCase();
  invitation.querySelector("code").textContent = code;
  const key = invitation.querySelector("[data-invitation-key]");
  if (/^[0-9A-F]{16}$/i.test(fragment.get("key") ?? "")) {
    key.querySelector("span").textContent = fragment.get("key").match(/.{4}/g).join(" ");
    key.hidden = false;
  }
  invitation.hidden = false;
  document.querySelector("[data-without-code]").hidden = true;
}
