"use strict";
/* How old what is published is, as of now: the page itself may have been written long ago. */
for (const time of document.querySelectorAll("time[data-age]")) {
  const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
  const [unit, size] = [["day", 86400], ["hour", 3600], ["minute", 60]].find(([, size]) => Math.abs(seconds) >= 2 * size) ?? ["minute", 60];
  time.append(` (${new Intl.RelativeTimeFormat("en").format(Math.trunc(seconds / size), unit)})`);
}
