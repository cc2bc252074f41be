"""The report's page in Chromium: opened, sought in, looked at."""

import base64
import io
import json

import numpy as np
from PIL import Image

DRAWER = "document.getElementById('drawer')"
AUDIO = "document.querySelector('audio')"


def open_page(browser, out, **how):
    browser.open(out / "report/index.html", **how)
    browser.wait("document.documentElement.dataset.ready === 'all'", 40)


def open_line(page, name):
    page.js(f"location.hash = {json.dumps('#' + name)}")
    page.wait(f"{DRAWER}.dataset.line === {json.dumps(name)} && {DRAWER}.dataset.head && {AUDIO}.readyState >= 2", 40)


def picture(page):
    """Return the head as it is drawn: an array of pixels."""
    url = page.js("document.querySelector('.stage canvas').toDataURL()")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB"), dtype=np.int16)


def changed(a, b):
    """Return the pixels that differ visibly, as (rows, columns)."""
    return np.nonzero(np.abs(a - b).max(axis=2) > 24)


def seek(page, seconds):
    """Go to a time by the time line, as a click does; return the audio's."""
    box = page.js("(({ left, top, width }) => [left, top, width])(document.querySelector('.field').getBoundingClientRect())")
    length = float(page.js("document.querySelector('.field').getAttribute('aria-valuemax')"))
    x = box[0] + seconds / length * box[2]
    page.drag([x, box[1] + 40], [x, box[1] + 40])
    page.wait(f"!{AUDIO}.seeking")
    page.move(5, 5)
    return page.js(f"{AUDIO}.currentTime")


def watch_clock(page):
    """Note what the page asks the sound's clock and what it does about it, so that no test measures how long a picture took.

    `asked` has the answers of the clock; `shown` [the last answer, whether it is of this picture, the frame chosen] for each frame that
    the page shows while it plays; `jumps` [from, to] for each time that it sets the clock.
    """
    page.js("""{
      const audio = document.querySelector('audio'), drawer = document.getElementById('drawer');
      const clock = Object.getOwnPropertyDescriptor(HTMLMediaElement.prototype, 'currentTime');
      Object.assign(globalThis, { asked: [], shown: [], jumps: [] });
      let picture = 0, askedIn = -1;
      const turn = () => { picture += 1; requestAnimationFrame(turn); };
      requestAnimationFrame(turn);
      Object.defineProperty(audio, 'currentTime', {
        get() { const now = clock.get.call(audio); asked.push(now); askedIn = picture; return now; },
        set(to) { jumps.push([clock.get.call(audio), to]); clock.set.call(audio, to); },
      });
      new MutationObserver(() => {
        if (!audio.paused && !audio.seeking) shown.push([asked.at(-1), askedIn === picture, Number(drawer.dataset.frame)]);
      }).observe(drawer, { attributeFilter: ['data-frame'] });
    }""")
