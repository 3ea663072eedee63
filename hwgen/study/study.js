"use strict";
// Shows one pair after the other and keeps the choices in this browser until they are saved.
(() => {
  const study = JSON.parse(document.getElementById("study").textContent);
  const total = study.pairs.length;
  const place = `hwgen-study-${study.study}`;
  // A choice that comes sooner after the pair than this was meant for the pair before, in ms.
  const TOO_SOON = 200;
  const at = (id) => document.getElementById(id);

  // voter {id, name} (null before the start), votes [{pair, choice, ms}] in the order shown.
  let state = { voter: null, votes: [] };
  let saving = false; // the last page was asked for before the last pair
  let since = 0; // when the pair came up

  function load() {
    try {
      const kept = JSON.parse(localStorage.getItem(place));
      state = kept || { voter: null, votes: [] };
    } catch {
      at("unkept").hidden = false;
    }
  }

  function keep() {
    try {
      localStorage.setItem(place, JSON.stringify(state));
    } catch {
      at("unkept").hidden = false;
    }
    show();
  }

  function randomId() {
    const bytes = crypto.getRandomValues(new Uint8Array(8));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // The pictures at a whole number of the screen's own pixels; larger ones than fit reduced.
  function fit() {
    const box = document.querySelector(".choices").clientWidth;
    const ratio = devicePixelRatio;
    const room = Math.min(box / 2 - 28, innerHeight * 0.4, 384) * ratio;
    const times = Math.floor(room / study.size);
    const side = times > 0 ? study.size * times : room;
    for (const picture of document.querySelectorAll(".choices img")) {
      picture.style.width = picture.style.height = `${side / ratio}px`;
      picture.classList.toggle("crisp", times > 0);
    }
  }

  function show() {
    const done = state.votes.length;
    const finished = done === total;
    at("start").hidden = state.voter !== null;
    at("vote").hidden = state.voter === null || finished || saving;
    at("end").hidden = state.voter === null || !(finished || saving);
    if (!at("vote").hidden) showPair(study.pairs[done], done);
    if (!at("end").hidden) showEnd(done, finished);
  }

  function showPair(pair, done) {
    at("left-picture").src = study.pictures[pair.left];
    at("right-picture").src = study.pictures[pair.right];
    at("of").replaceChildren();
    if (pair.label !== null) {
      const label = document.createElement("span");
      label.lang = "zh";
      label.textContent = pair.label;
      at("of").append("Both are meant to be ", label);
    }
    at("progress").max = total;
    at("progress").value = done;
    at("count").textContent = `${done + 1} of ${total}`;
    at("undo").disabled = done === 0;
    fit();
    since = performance.now();
  }

  function showEnd(done, finished) {
    at("thanks").textContent = finished
      ? `Thank you: all ${total} pairs are judged`
      : `${done} of ${total} pairs are judged`;
    at("votes").value = exported();
    at("said").textContent = "";
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
    if (at("vote").hidden || ms < TOO_SOON) return;
    state.votes.push({ pair: study.pairs[state.votes.length].id, choice, ms });
    keep();
  }

  function undo() {
    const done = state.votes.length;
    if (done === 0 || (saving && done < total)) return;
    state.votes.pop();
    keep();
  }

  function begin(event) {
    event.preventDefault();
    state = { voter: { id: randomId(), name: at("name").value.trim() }, votes: [] };
    keep();
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
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // when it is surely saved
    at("said").textContent = `Saved as ${link.download}`;
  }

  async function copy() {
    at("votes").select();
    try {
      await navigator.clipboard.writeText(exported());
    } catch {
      document.execCommand("copy"); // pages on plain http have no clipboard
    }
    at("said").textContent = "Copied";
  }

  function again() {
    if (!confirm("Forget the votes in this browser and begin anew? Save them first.")) return;
    state = { voter: null, votes: [] };
    saving = false;
    at("name").value = "";
    keep();
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
  addEventListener("resize", () => at("vote").hidden || fit());
  // The same page in another tab.
  addEventListener("storage", (event) => {
    if (event.key !== place) return;
    load();
    show();
  });
  at("form").addEventListener("submit", begin);
  at("left").addEventListener("click", () => vote("left"));
  at("right").addEventListener("click", () => vote("right"));
  at("undo").addEventListener("click", undo);
  at("stop").addEventListener("click", () => {
    saving = true;
    show();
  });
  at("download").addEventListener("click", download);
  at("copy").addEventListener("click", copy);
  at("back").addEventListener("click", back);
  at("again").addEventListener("click", again);

  at("question").textContent = study.question;
  for (const count of document.querySelectorAll(".total")) count.textContent = total;
  load();
  show();
})();
