// The page of a document: keys, zoom and pages. All of it is an extra; the page works without.
"use strict";
(() => {
  const at = (id) => document.getElementById(id);
  const stage = at("stage"), picture = at("picture");
  const verify = at("verify"), reject = at("reject");

  // -- the picture: how large, turned how far, moved where (pixels from the middle of the stage)

  const LARGEST = 8, STEP = 1.25, MARGIN = 24;
  const look = { scale: 1, turn: 0, x: 0, y: 0, fits: true };

  function sizes() {
    const [width, height] = [picture.naturalWidth, picture.naturalHeight];
    return look.turn % 180 ? [height, width] : [width, height];
  }

  function fitting() {
    const [width, height] = sizes();
    return Math.min((stage.clientWidth - MARGIN) / width, (stage.clientHeight - MARGIN) / height, 3);
  }

  function inside(place, length, room) {
    const most = Math.max(0, (length * look.scale - room) / 2 + MARGIN);
    return Math.min(most, Math.max(-most, place));
  }

  function show() {
    const [width, height] = sizes();
    if (!width) return;
    if (look.fits) Object.assign(look, { scale: fitting(), x: 0, y: 0 });
    look.x = look.fits ? 0 : inside(look.x, width, stage.clientWidth);
    look.y = look.fits ? 0 : inside(look.y, height, stage.clientHeight);
    picture.style.transform =
      `translate(-50%, -50%) translate(${look.x}px, ${look.y}px) rotate(${look.turn}deg) scale(${look.scale})`;
    stage.classList.toggle("zoomed", !look.fits);
    at("zoom").textContent = `${Math.round(look.scale * 100)} %`;
  }

  function zoom(scale, x = 0, y = 0) {
    const wanted = Math.min(LARGEST, Math.max(Math.min(fitting(), 1) / 2, scale));
    const times = wanted / look.scale;
    Object.assign(look, { scale: wanted, x: x - (x - look.x) * times, y: y - (y - look.y) * times, fits: false });
    show();
  }

  const fit = () => { look.fits = true; show(); };
  const turn = (degrees) => { look.turn = (look.turn + degrees + 360) % 360; fit(); };
  const full = () => (document.fullscreenElement ? document.exitFullscreen() : at("viewer").requestFullscreen());
  const actions = {
    closer: () => zoom(look.scale * STEP),
    wider: () => zoom(look.scale / STEP),
    real: () => zoom(1 / (window.devicePixelRatio || 1)),
    fit,
    left: () => turn(-90),
    right: () => turn(90),
    full,
  };

  function fromMiddle(event) {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left - box.width / 2, event.clientY - box.top - box.height / 2];
  }

  let seen = false;

  function markSeen(now) {
    seen = now;
    if (!verify) return;
    verify.querySelector("button").setAttribute("aria-disabled", String(!seen));
    if (seen) at("not-seen").hidden = true;
  }

  function arrived() {
    markSeen(true);
    stage.classList.remove("waiting");
    at("gone").hidden = true;
    picture.hidden = false;
    at("tools").hidden = false;
    fit();
  }

  function failed() {
    markSeen(false);
    stage.classList.remove("waiting");
    at("gone").hidden = false;
    picture.hidden = true;
    at("tools").hidden = true;
  }

  function fetchPicture(address) {
    markSeen(false);
    stage.classList.add("waiting");
    at("gone").hidden = true;
    picture.hidden = false;
    look.turn = 0;
    picture.src = address;
  }

  function watchPicture() {
    markSeen(false);
    stage.classList.add("live", "waiting");
    picture.draggable = false;
    picture.addEventListener("load", arrived);
    picture.addEventListener("error", failed);
    if (picture.complete) (picture.naturalWidth ? arrived : failed)();
    at("again").addEventListener("click", () => {
      const address = new URL(picture.src);
      address.searchParams.set("again", Date.now());
      fetchPicture(address.href);
    });
    for (const [id, act] of Object.entries(actions)) at(id).addEventListener("click", act);
    at("full").hidden = !document.fullscreenEnabled;
    new ResizeObserver(show).observe(stage);
  }

  // -- wheel, mouse and fingers

  const fingers = new Map();

  function hold() {
    const places = [...fingers.values()];
    const middle = [0, 1].map((axis) => places.reduce((sum, place) => sum + place[axis], 0) / places.length);
    const apart = places.length > 1 ? Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) : 0;
    return { middle, apart };
  }

  function moved(event) {
    if (!fingers.has(event.pointerId)) return;
    const before = hold();
    fingers.set(event.pointerId, fromMiddle(event));
    const after = hold();
    if (!look.fits) {
      look.x += after.middle[0] - before.middle[0];
      look.y += after.middle[1] - before.middle[1];
      show();
    }
    if (before.apart && after.apart) zoom((look.scale * after.apart) / before.apart, ...after.middle);
  }

  function release(event) {
    fingers.delete(event.pointerId);
    stage.classList.toggle("held", fingers.size > 0);
  }

  function watchHands() {
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      zoom(look.scale * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...fromMiddle(event));
    }, { passive: false });
    stage.addEventListener("pointerdown", (event) => {
      if (event.button || event.target.closest("button, .gone")) return;
      stage.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, fromMiddle(event));
      stage.classList.add("held");
    });
    stage.addEventListener("pointermove", moved);
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, release);
  }

  // -- pages of a PDF

  const pages = at("pages");

  function turnPage(by) {
    const page = Number(pages.dataset.page) + by, last = Number(pages.dataset.pages);
    if (page < 1 || page > last) return;
    pages.dataset.page = at("page").textContent = page;
    for (const [id, goal, end] of [["page-before", page - 1, page === 1], ["page-after", page + 1, page === last]]) {
      at(id).classList.toggle("disabled", end);
      at(id).href = `?page=${Math.min(last, Math.max(1, goal))}`;
    }
    history.replaceState(null, "", `?page=${page}`);
    picture.alt = picture.alt.replace(/\d+(?=\D+\d+$)/, page);
    fetchPicture(`${picture.src.split("?")[0]}?page=${page}`);
  }

  function watchPages() {
    for (const [id, by] of [["page-before", -1], ["page-after", 1]]) {
      at(id).addEventListener("click", (event) => { event.preventDefault(); turnPage(by); });
    }
  }

  // -- the verdict

  let sent = false;
  const reasons = () => [...reject.elements.namedItem("reason")];
  const hasReason = () => reasons().some((radio) => radio.checked) || at("more").value.trim() !== "";

  function choose(number) {
    const radio = reasons()[number - 1];
    radio.checked = !radio.checked;
    radio.focus({ preventScroll: true });
    at("needs-reason").hidden = at("has-reason").hidden = true;
  }

  function askForReason() {
    at("needs-reason").hidden = false;
    reasons()[0].focus();
  }

  // Why a form cannot be sent yet; undefined when it can.
  function missing(form) {
    if (form === reject) return hasReason() ? undefined : askForReason;
    const hint = seen ? hasReason() && at("has-reason") : at("not-seen");
    return hint ? () => { hint.hidden = false; } : undefined;
  }

  function watchExpiry(expiry) {
    const today = new Date().toISOString().slice(0, 10), hint = at("too-soon");
    const warn = () => {
      const isPast = expiry.value < today;
      hint.hidden = expiry.value < "1900" || !(isPast || expiry.value < (expiry.dataset.mustLast || ""));
      hint.querySelector("span").textContent = hint.hidden ? "" : hint.dataset[isPast ? "past" : "short"];
    };
    expiry.addEventListener("input", warn);
    warn();
  }

  function watchVerdict() {
    for (const form of [verify, reject]) {
      form.addEventListener("submit", (event) => {
        const ask = missing(form);
        if (sent || ask) event.preventDefault();
        if (!sent && ask) ask();
        else sent = true;
      });
    }
    reject.addEventListener("input", () => { at("needs-reason").hidden = at("has-reason").hidden = true; });
    addEventListener("pageshow", () => { sent = false; });
    at("keys").hidden = false;
    if (at("expires_on")) watchExpiry(at("expires_on"));
    for (const link of document.querySelectorAll("#said a")) {
      link.addEventListener("click", (event) => { event.preventDefault(); goTo(link.hash.slice(1)); });
    }
  }

  // -- keys

  const follow = (id) => at(id) && at(id).click();

  function goTo(id) {
    const field = at(id), fold = field && field.closest("details");
    if (document.fullscreenElement) document.exitFullscreen();
    if (fold) fold.open = true;
    if (field) field.focus();
  }

  const KEYS = {
    v: () => verify && verify.requestSubmit(),
    x: () => reject && reject.requestSubmit(),
    e: () => goTo("expires_on"),
    m: () => goTo("mrz"),
    j: () => follow("after"),
    k: () => follow("before"),
    "[": () => pages && turnPage(-1),
    "]": () => pages && turnPage(1),
    arrowleft: () => pages && turnPage(-1),
    arrowright: () => pages && turnPage(1),
    "+": actions.closer,
    "=": actions.closer,
    "-": actions.wider,
    "0": fit,
    l: actions.left,
    r: actions.right,
    f: full,
    "?": () => { if (at("keys")) at("keys").open = !at("keys").open; },
  };
  for (const number of [1, 2, 3, 4, 5]) KEYS[number] = () => reject && choose(number);

  // The letter on the key where the layout is another one: Arabic has no V, French has 1 under the shift key.
  function keyOf(event) {
    const name = event.key.toLowerCase(), isDigit = event.code.startsWith("Digit");
    if (Object.hasOwn(KEYS, name)) return name;
    const isElsewhere = isDigit ? !event.shiftKey : !/^[\p{ASCII}\p{Script=Latin}]$/u.test(name);
    return name.length === 1 && isElsewhere ? event.code.replace(/^(Key|Digit)/, "").toLowerCase() : "";
  }

  function isTyping(field) {
    return field.matches("textarea, select, input:not([type=radio])") || field.isContentEditable;
  }

  // Some layouts write brackets with AltGr, which Windows tells as Ctrl and Alt.
  function isHeld(event) {
    if (event.getModifierState("AltGraph")) return event.metaKey || !/^[[\]+\-?]$/.test(event.key);
    return event.ctrlKey || event.metaKey || event.altKey;
  }

  function typing(event) {
    const field = event.target, form = field.form;
    const isSend = event.key === "Enter" && event.ctrlKey !== event.metaKey && !event.altKey && !event.shiftKey;
    if (event.key === "Escape" && !isHeld(event)) field.blur();
    if (!isSend || !form || ![verify, reject].includes(form)) return;
    event.preventDefault();
    form.requestSubmit();
  }

  document.addEventListener("keydown", (event) => {
    const isWriting = event.isComposing || event.keyCode === 229; // a word is put together from several keys
    if (event.defaultPrevented || event.repeat || isWriting) return;
    if (event.target.matches("input, textarea, select")) typing(event);
    if (isTyping(event.target) || isHeld(event)) return;
    const key = keyOf(event), act = Object.hasOwn(KEYS, key) && KEYS[key];
    if (!act || (key.startsWith("arrow") && event.target.matches("input, summary, [tabindex]"))) return;
    event.preventDefault();
    act();
  });

  watchPicture();
  watchHands();
  if (pages) watchPages();
  if (verify) watchVerdict();
})();
