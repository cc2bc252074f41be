// Headless Chromium that does what it is told: a request in JSON a line, its answer in JSON a line.
// Its switches are those of a window somebody opens: above all, none that lets a page from the disk load what it could not load there.
import { createInterface } from "node:readline";
import chromium from "@sparticuz/chromium";
import puppeteer from "puppeteer-core";

const browser = await puppeteer.launch({
  executablePath: await chromium.executablePath(),
  headless: "shell",
  args: ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--autoplay-policy=no-user-gesture-required", "--no-zygote", "--hide-scrollbars", "--disable-dev-shm-usage"],
});
let page, messages, metrics;

const does = {
  async open({ url, width = 1440, height = 900, scheme = "light", downloads, offline = true, scale = 1 }) {
    await page?.close();
    page = await browser.newPage();
    messages = []; metrics = null;
    page.on("console", (one) => ["error", "warn", "warning"].includes(one.type()) && messages.push(`${one.type()}: ${one.text()}`));
    page.on("pageerror", (error) => messages.push(`thrown: ${error.stack ?? error}`));
    page.on("requestfailed", (one) => one.failure()?.errorText !== "net::ERR_ABORTED" && messages.push(`not loaded: ${one.url()} ${one.failure()?.errorText}`));
    page.on("request", (one) => /^(https?|wss?):/.test(one.url()) && !one.url().startsWith(new URL(url).origin) && messages.push(`asked the net: ${one.url()}`));
    await page.setViewport({ width, height, deviceScaleFactor: scale });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    if (offline) await page.setOfflineMode(true);
    if (downloads) await (await page.createCDPSession()).send("Browser.setDownloadBehavior", { behavior: "allow", downloadPath: downloads });
    await page.goto(url, { waitUntil: "load" });
  },
  evaluate: ({ code }) => page.evaluate(code),
  wait: async ({ code, seconds = 15 }) => { await page.waitForFunction(code, { timeout: seconds * 1000, polling: 30 }); },
  click: ({ selector, count = 1 }) => page.click(selector, { count }),
  move: ({ x, y }) => page.mouse.move(x, y),
  drag: async ({ from, to }) => { await page.mouse.move(...from); await page.mouse.down(); await page.mouse.move(...to, { steps: 6 }); await page.mouse.up(); },
  key: ({ key }) => page.keyboard.press(key),
  type: ({ text }) => page.keyboard.type(text),
  choose: async ({ selector, file }) => { await (await page.$(selector)).uploadFile(file); },
  select: async ({ selector, value }) => { await page.select(selector, value); },
  async screenshot({ path, selector }) { await (selector ? await page.$(selector) : page).screenshot({ path }); },
  async pdf({ path }) { await page.pdf({ path, preferCSSPageSize: true, printBackground: true }); },
  async paper({ path }) { await page.emulateMediaType("print"); await page.screenshot({ path, fullPage: true }); await page.emulateMediaType(); },
  async busy() {
    if (!metrics) { metrics = await page.createCDPSession(); await metrics.send("Performance.enable", { timeDomain: "threadTicks" }); }
    return (await metrics.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
  },
  messages: () => messages,
  tree: () => page.accessibility.snapshot(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { ask, ...given } = JSON.parse(line);
  try {
    console.log(JSON.stringify({ got: (await does[ask](given)) ?? null }));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error?.stack ?? error) }));
  }
}
await browser.close();
