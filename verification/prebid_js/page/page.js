// A publisher's page: Prebid.js with Prebid Server as its only bidder, and a player of VAST for video.
import { VASTParser, VASTTracker } from "/vast-client.js";

const pbjs = window.pbjs;
const TIMEOUT_MS = 8000;
const BIDDER = "raybid";

const mediaTypes = {
  banner: { banner: { sizes: [[300, 250]] } },
  sizes: { banner: { sizes: [[970, 250], [728, 90], [320, 50]] } },
  native: {
    native: {
      ortb: {
        ver: "1.2",
        assets: [
          { id: 1, required: 1, title: { len: 80 } },
          { id: 2, required: 1, img: { type: 3, w: 300, h: 200 } },
          { id: 3, required: 1, data: { type: 1, len: 40 } },
        ],
        eventtrackers: [{ event: 1, methods: [1] }],
      },
      adTemplate: `<a class="pb-click" target="_blank" href="##hb_native_linkurl##">
        <img src="##hb_native_asset_id_2##"><b>##hb_native_asset_id_1##</b> <i>##hb_native_asset_id_3##</i></a>`,
    },
  },
  video: {
    video: {
      context: "outstream",
      playerSize: [[640, 360]],
      mimes: ["video/webm", "video/mp4"],
      protocols: [2, 3, 5, 6, 7, 8],
      minduration: 1,
      maxduration: 30,
      plcmt: 4,
      renderer: { render: (bid) => play(bid, document.getElementById(bid.adUnitCode)) },
    },
  },
};

const seen = { bidWon: [], adRenderSucceeded: [], adRenderFailed: [] };

pbjs.que.push(() => {
  pbjs.setConfig({
    bidderTimeout: TIMEOUT_MS,
    s2sConfig: {
      accountId: "1",
      adapter: "prebidServer",
      bidders: [BIDDER],
      enabled: true,
      endpoint: "/openrtb2/auction",
      timeout: TIMEOUT_MS,
    },
  });
  for (const [name, list] of Object.entries(seen)) {
    pbjs.onEvent(name, (event) => list.push((event.bid ?? event).adUnitCode ?? event.message));
  }
  pbjs.addAdUnits(
    Object.entries(mediaTypes).map(([code, offered]) => ({
      code,
      mediaTypes: offered,
      ortb2Imp: { secure: 0 }, // nothing here has a certificate
      bids: [{ bidder: BIDDER, params: {} }],
    })),
  );
});

// Hold the auction of an ad unit; return its bids, the best first.
async function auction(code) {
  await new Promise((back) => pbjs.requestBids({ adUnitCodes: [code], bidsBackHandler: back }));
  const bids = pbjs.getHighestCpmBids(code);
  return bids.map(({ adId, cpm, currency, mediaType, width, height, creativeId }) => ({
    adId, cpm, currency, mediaType, width, height, creativeId,
  }));
}

function render(code, adId) {
  const frame = document.getElementById(code);
  pbjs.renderAd(frame.contentWindow?.document ?? document, adId);
}

// What a player does with a bid: parse its VAST, play the file, tell of its progress, open its landing page.
async function play(bid, room) {
  const xml = new DOMParser().parseFromString(bid.vastXml, "text/xml");
  const response = await new VASTParser().parseVAST(xml);
  const ad = response.ads[0];
  const creative = ad.creatives.find((one) => one.type === "linear");
  const tracker = new VASTTracker(null, ad, creative);
  const video = document.createElement("video");
  Object.assign(video, { muted: true, width: bid.playerWidth, height: bid.playerHeight });
  video.addEventListener("playing", () => tracker.trackImpression());
  video.addEventListener("timeupdate", () => tracker.setProgress(video.currentTime));
  video.addEventListener("ended", () => tracker.complete());
  video.addEventListener("error", () => tracker.error({ ERRORCODE: "405" }));
  tracker.on("clickthrough", (url) => window.open(url));
  video.addEventListener("click", () => tracker.click());
  video.src = creative.mediaFiles[0].fileURL;
  room.append(video);
  await video.play();
}

// A second of film, as nothing here brings any: what a canvas shows, recorded by the browser.
async function film(seconds) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 640, height: 360 });
  const pen = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(10), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  recorder.start();
  for (let frame = 0; frame < seconds * 10; frame++) {
    pen.fillStyle = `hsl(${frame * 30} 80% 50%)`;
    pen.fillRect(0, 0, canvas.width, canvas.height);
    await new Promise((next) => setTimeout(next, 100));
  }
  const stopped = new Promise((done) => (recorder.onstop = done));
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

window.publisher = { auction, film, render, seen };
