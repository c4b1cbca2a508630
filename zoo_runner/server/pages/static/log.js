// Shows the end of a log first. What was searched for is read from its begin.
const log = document.querySelector("[data-lines]");
if (!log.querySelector("mark")) log.scrollTop = log.scrollHeight;
