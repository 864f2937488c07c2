// Opens pages in headless Chromium, drags each view in them with the mouse, and says what it saw.
// In a folder with puppeteer-core and @sparticuz/chromium: node --input-type=module - OUT PAGE... < browser.mjs
// Writes OUT/PAGE_VIEW_before.png and _after.png; prints {page: {views, requests, errors}}. Without pages it only
// starts and ends.
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import chromium from '@sparticuz/chromium';
import puppeteer from 'puppeteer-core';

const SOFTWARE = ['--use-gl=angle', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--ignore-gpu-blocklist'];
const WITHIN_MS = 30000; // for a picture to come to rest; the tests look at what is there then
const APART_MS = 300;

/** The last of pictures of an element: like the one before it, and not like `other`, unless time is up. */
async function settled(element, path, other) {
  const end = Date.now() + WITHIN_MS;
  let last, next;
  do {
    last = next;
    await wait(APART_MS);
    next = Buffer.from(await element.screenshot({ path }));
  } while (Date.now() < end && (!last?.equals(next) || other?.equals(next)));
  return next;
}

/** From the left to the right. */
async function drag(page, element) {
  const box = await element.boundingBox();
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + 0.1 * box.width, y);
  await page.mouse.down();
  await page.mouse.move(box.x + 0.9 * box.width, y, { steps: 20 });
  await page.mouse.up();
}

async function look(browser, file, out) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1000, height: 700 });
  const [requests, errors, views] = [[], [], []];
  page.on('request', (request) => requests.push(request.url().slice(0, 200)));
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  await page.goto(pathToFileURL(file).href, { waitUntil: 'networkidle0' });
  for (const element of await page.$$('iframe')) {
    const frame = await element.contentFrame();
    if (!(await frame.$('canvas'))) continue;
    const name = `${basename(file, '.html')}_${views.length}`;
    await element.scrollIntoView();
    const before = await settled(element, join(out, `${name}_before.png`));
    await drag(page, element);
    await settled(element, join(out, `${name}_after.png`), before);
    views.push(name);
  }
  await page.close();
  return { views, requests, errors };
}

const [out, ...files] = process.argv.slice(2);
const browser = await puppeteer.launch({
  args: [...chromium.args, '--no-sandbox', ...SOFTWARE],
  executablePath: await chromium.executablePath(),
  headless: 'shell',
});
const seen = {};
for (const file of files) seen[basename(file)] = await look(browser, file, out);
await browser.close();
console.log(JSON.stringify(seen));
