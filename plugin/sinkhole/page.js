(function () {
  "use strict";
  var gone = document.getElementById("gone"), links = document.querySelectorAll(".leave,.first"), inner = document.querySelectorAll(".inner,.choice a"), presses = 0, timer, i;
  // The page is covered before the next one has loaded, and replaced in the history.
  function leave(event) {
    if (event) event.preventDefault();
    gone.hidden = false;
    document.body.className = "gone";
    document.title = gone.textContent;
    location.replace(links[0].href);
  }
  // Nor does the page in another language stay behind in the history.
  function move(event) {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    location.replace(event.currentTarget.href);
  }
  for (i = 0; i < links.length; i++) links[i].addEventListener("click", leave);
  for (i = 0; i < inner.length; i++) inner[i].addEventListener("click", move);
  document.addEventListener("keydown", function (event) {
    if (event.repeat) return;
    clearTimeout(timer);
    presses = event.key === "Shift" ? presses + 1 : 0;
    if (presses === 3) leave();
    timer = setTimeout(function () { presses = 0; }, 5000);
  });
  var title = document.title;
  window.addEventListener("pageshow", function () {
    gone.hidden = true;
    document.body.className = "";
    document.title = title;
    presses = 0;
  });
  document.getElementById("keys").hidden = false;
})();
