// What @dailymotion/vast-client reads in VAST documents: one JSON object a line for each line of standard input, which
// is a document as a JSON string.
"use strict";

const { readFileSync } = require("node:fs");
const path = require("node:path");
const { VASTParser, VASTTracker } = require("@dailymotion/vast-client");

// The parser that the client's build for Node.js brings, which is a package of its own.
const client = require.resolve("@dailymotion/vast-client");
const { DOMParser } = require(require.resolve("@xmldom/xmldom", { paths: [path.dirname(client)] }));

async function read(text) {
  const faults = [];
  const told = (level) => (message) => faults.push(`${level}: ${message}`);
  const handler = { warning: told("warning"), error: told("error"), fatalError: told("fatal") };
  const xml = new DOMParser({ errorHandler: handler }).parseFromString(text, "text/xml");
  const parser = new VASTParser();
  parser.on("VAST-error", (error) => faults.push(`VAST error ${JSON.stringify(error)}`));
  parser.on("VAST-warning", (warning) => faults.push(`VAST warning ${JSON.stringify(warning)}`));
  try {
    const response = await parser.parseVAST(xml);
    return { faults, version: response.version, ads: response.ads.map(ofAd) };
  } catch (error) {
    return { faults: [...faults, `${error}`], version: "", ads: [] };
  }
}

const addresses = (templates) => templates.map((one) => one.url ?? one);

function ofAd(ad) {
  return {
    id: ad.id,
    adType: ad.adType,
    system: ad.system && `${ad.system.value} ${ad.system.version}`,
    title: ad.title,
    servingId: ad.adServingId,
    advertiser: ad.advertiser && ad.advertiser.value,
    categories: ad.categories.map((one) => one.value),
    impressions: addresses(ad.impressionURLTemplates),
    errors: addresses(ad.errorURLTemplates),
    creatives: ad.creatives.map((creative) => ofCreative(ad, creative)),
  };
}

function ofCreative(ad, creative) {
  const files = creative.mediaFiles ?? [];
  return {
    id: creative.id,
    type: creative.type,
    duration: creative.duration,
    skipDelay: creative.skipDelay,
    universalIds: creative.universalAdIds.map((one) => one.value),
    clickThrough: creative.videoClickThroughURLTemplate?.url,
    events: creative.trackingEvents,
    files: files.map(({ id, fileURL, mimeType, bitrate, width, height, deliveryType }) => ({
      id, fileURL, mimeType, bitrate, width, height, deliveryType,
    })),
    called: played(ad, creative),
  };
}

// The events of an ad that is watched to its end, as the client's tracker calls them.
function played(ad, creative) {
  const tracker = new VASTTracker(null, ad, creative);
  const called = [];
  tracker.trackURLs = (templates) => called.push(...addresses(templates));
  tracker.trackImpression();
  for (let step = 0; step <= 8; step++) tracker.setProgress((creative.duration * step) / 8);
  tracker.complete();
  return called;
}

async function main() {
  for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    console.log(JSON.stringify(await read(JSON.parse(line))));
  }
}

main();
