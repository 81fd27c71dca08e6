// What screens that people touch share. The pages work without this script; it saves reloading them. It opens nothing and
// decides nothing.
(function () {
  'use strict';
  function screen() { return document.getElementById('screen'); }

  // The theme, the size and the language belong to the root element, which a swap leaves alone.
  function dress() {
    var from = screen().dataset, root = document.documentElement;
    root.lang = from.lang;
    root.toggleAttribute('data-low', from.low === 'true');
    if (from.theme) { root.dataset.theme = from.theme; } else { delete root.dataset.theme; }
    if (from.size) { root.dataset.size = from.size; } else { delete root.dataset.size; }
  }
  document.addEventListener('htmx:afterSettle', dress);

  // A code reader types like a keyboard: its text goes to the field that waits for it, wherever the focus was left. A
  // numeric keypad types on the pad that is shown.
  document.addEventListener('keydown', function (e) {
    if (e.key === 'Enter' && e.target.dataset && e.target.dataset.scan && !e.target.value) { e.preventDefault(); return; }
    if (e.ctrlKey || e.altKey || e.metaKey || (e.target && e.target.tagName === 'INPUT')) { return; }
    var scan = document.querySelector('[data-scan]');
    if (scan && e.key.toUpperCase() === scan.dataset.scan) { scan.focus(); return; }
    var name = { Backspace: 'back', Delete: 'clear', Enter: 'enter', '-': 'dash' }[e.key] || (/^[0-9]$/.test(e.key) ? e.key : '');
    var key = name && document.querySelector('[data-key="' + name + '"]');
    // Enter on a focused button is that button's own.
    if (!key || key.disabled || (name === 'enter' && document.activeElement && document.activeElement.tagName === 'BUTTON' && !document.activeElement.dataset.key)) { return; }
    e.preventDefault();
    key.click();
  });

  // What is pasted is what a reader would have typed: it goes to the same field, and needs no key after it.
  document.addEventListener('paste', function (e) {
    var scan = document.querySelector('[data-scan]'), text = e.clipboardData.getData('text').trim();
    if (!scan || !text || (e.target.tagName === 'INPUT' && e.target !== scan)) { return; }
    e.preventDefault();
    scan.value = text;
    scan.form.requestSubmit();
  });

  setInterval(function () {
    document.querySelectorAll('[data-countdown]').forEach(function (el) {
      var left = Math.max(0, Number(el.dataset.countdown) - 1);
      el.dataset.countdown = String(left);
      el.textContent = el.dataset.format === 'span' ? Math.floor(left / 60) + ':' + String(left % 60).padStart(2, '0') : String(left);
    });
  }, 1000);

  // A swap would tear a code that is being read in two: it waits for the reader, but not for what is left lying there.
  var waited = 0;
  function swap(version) {
    var scan = document.querySelector('[data-scan]');
    if (screen().dataset.version === version) { waited = 0; return; }
    if (scan && scan.value && waited < 6) { waited += 1; setTimeout(swap, 500, version); return; }
    waited = 0;
    htmx.trigger('#live', 'stale');
  }
  var live = new EventSource(document.getElementById('live').dataset.from);
  live.addEventListener('changed', function (e) { swap(e.data); });
})();
