"use strict";
// Shows the pairs one by one and stores the votes in this browser until they are saved as a file.
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const total = study.pairs.length;
  const storageKey = `hwgen-study-${study.study}`;
  // An earlier choice after a pair appears, in ms, was meant for the previous pair.
  const TOO_SOON = 200;
  const byId = (id) => document.getElementById(id);

  // voter {id, name} (null before the start), votes [{pair, choice, ms}] in the order shown.
  let state = { voter: null, votes: [] };
  let saving = false; // "Save votes" was pressed before the last pair
  let since = 0; // when the pair appeared

  function load() {
    try {
      const stored = JSON.parse(localStorage.getItem(storageKey));
      state = stored || { voter: null, votes: [] };
    } catch {
      byId("not-stored").hidden = false;
    }
  }

  function store() {
    try {
      localStorage.setItem(storageKey, JSON.stringify(state));
    } catch {
      byId("not-stored").hidden = false;
    }
    show();
  }

  function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // Shows images at a whole number of device pixels per pixel, or reduced if they do not fit.
  function fit() {
    const box = document.querySelector(".choices").clientWidth;
    const ratio = devicePixelRatio;
    const room = Math.min(box / 2 - 28, innerHeight * 0.4, 384) * ratio;
    const times = Math.floor(room / study.size);
    const size = times > 0 ? study.size * times : room;
    for (const image of document.querySelectorAll(".choices img")) {
      image.style.width = image.style.height = `${size / ratio}px`;
      image.classList.toggle("crisp", times > 0);
    }
  }

  function show() {
    const done = state.votes.length;
    const finished = done === total;
    byId("start").hidden = state.voter !== null;
    byId("vote").hidden = state.voter === null || finished || saving;
    byId("end").hidden = state.voter === null || !(finished || saving);
    if (!byId("vote").hidden) showPair(study.pairs[done], done);
    if (!byId("end").hidden) showEnd(done, finished);
  }

  function showPair(pair, done) {
    byId("left-image").src = study.pictures[pair.left];
    byId("right-image").src = study.pictures[pair.right];
    byId("of").replaceChildren();
    if (pair.label !== null) {
      const label = document.createElement("span");
      label.lang = "zh";
      label.textContent = pair.label;
      byId("of").append("Both images show ", label);
    }
    byId("progress").max = total;
    byId("progress").value = done;
    byId("count").textContent = `${done + 1} of ${total}`;
    byId("undo").disabled = done === 0;
    fit();
    since = performance.now();
  }

  function showEnd(done, finished) {
    byId("thanks").textContent = finished
      ? `Thank you: you answered all ${total} pairs`
      : `You answered ${done} of ${total} pairs`;
    byId("votes").value = exported();
    byId("status").textContent = "";
  }

  function exported() {
    const votes = {
      format: study.votes_format,
      format_version: study.format_version,
      study: study.study,
      voter: state.voter,
      votes: state.votes,
    };
    return JSON.stringify(votes, null, 1);
  }

  function vote(choice) {
    const ms = Math.round(performance.now() - since);
    if (byId("vote").hidden || ms < TOO_SOON) return;
    state.votes.push({ pair: study.pairs[state.votes.length].id, choice, ms });
    store();
  }

  function undo() {
    const done = state.votes.length;
    if (done === 0 || (saving && done < total)) return;
    state.votes.pop();
    store();
  }

  function begin(event) {
    event.preventDefault();
    state = { voter: { id: randomId(), name: byId("name").value.trim() }, votes: [] };
    store();
  }

  function back() {
    if (state.votes.length === total) undo();
    saving = false;
    show();
  }

  function download() {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
    link.download = `votes-${study.study}-${state.voter.id}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // the browser has saved the file by then
    byId("status").textContent = `Saved as ${link.download}`;
  }

  async function copy() {
    byId("votes").select();
    try {
      await navigator.clipboard.writeText(exported());
    } catch {
      document.execCommand("copy"); // without https there is no navigator.clipboard
    }
    byId("status").textContent = "Copied";
  }

  function newVoter() {
    if (!confirm("Delete the votes stored in this browser and start again? Save them as a file first.")) return;
    state = { voter: null, votes: [] };
    saving = false;
    byId("name").value = "";
    store();
  }

  const KEYS = {
    ArrowLeft: () => vote("left"),
    1: () => vote("left"),
    ArrowRight: () => vote("right"),
    2: () => vote("right"),
    Backspace: undo,
  };

  addEventListener("keydown", (event) => {
    const typing = event.target.matches("input, textarea");
    const act = KEYS[event.key];
    if (!act || typing || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (state.voter === null) return;
    event.preventDefault();
    act();
  });
  addEventListener("resize", () => byId("vote").hidden || fit());
  // The same page in another tab.
  addEventListener("storage", (event) => {
    if (event.key !== storageKey) return;
    load();
    show();
  });
  byId("form").addEventListener("submit", begin);
  byId("left").addEventListener("click", () => vote("left"));
  byId("right").addEventListener("click", () => vote("right"));
  byId("undo").addEventListener("click", undo);
  byId("stop").addEventListener("click", () => {
    saving = true;
    show();
  });
  byId("download").addEventListener("click", download);
  byId("copy").addEventListener("click", copy);
  byId("back").addEventListener("click", back);
  byId("new-voter").addEventListener("click", newVoter);

  byId("question").textContent = study.question;
  for (const count of document.querySelectorAll(".total")) count.textContent = total;
  load();
  show();
})();
