// Consent strings that @iabtcf/core writes, some of them damaged, and what it reads of each: one JSON object a line.
//
//     node consents.cjs SEED COUNT
//
// A line has what the library reads under the names of verification.privacy_vectors, or its `error`.
"use strict";

const { GVL, PurposeRestriction, TCModel, TCString } = require("@iabtcf/core");

const PURPOSES = 11;
const CONSENT_ONLY = [1, 3, 4, 5, 6];
const HIGHEST_VENDOR = 700;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const NOT_OF_IT = "~* é";

// mulberry32: Math.random() takes no seed.
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const [seed, count] = process.argv.slice(2).map(Number);
const random = generator(seed);
const below = (limit) => Math.floor(random() * limit);
const chosen = (values, share) => values.filter(() => random() < share);
const upTo = (last) => Array.from({ length: last }, (_, place) => place + 1);

function vendorList() {
  const vendors = {};
  for (const id of chosen(upTo(HIGHEST_VENDOR), 0.8)) {
    const purposes = chosen(upTo(PURPOSES), 0.6);
    const legIntPurposes = upTo(PURPOSES).filter((one) => !purposes.includes(one) && !CONSENT_ONLY.includes(one));
    const flexiblePurposes = upTo(PURPOSES).filter((one) => !CONSENT_ONLY.includes(one));
    const nothing = { specialPurposes: [], features: [], specialFeatures: [1, 2], policyUrl: "https://vendor.example" };
    vendors[id] = { id, name: `${id}`, purposes, legIntPurposes, flexiblePurposes, ...nothing };
  }
  const numbered = (last) => Object.fromEntries(upTo(last).map((id) => [id, { id, name: `${id}`, description: "" }]));
  return new GVL({
    gvlSpecificationVersion: 3,
    vendorListVersion: 100,
    tcfPolicyVersion: 5,
    lastUpdated: "2026-06-01T00:00:00Z",
    purposes: numbered(PURPOSES),
    specialPurposes: numbered(3),
    features: numbered(3),
    specialFeatures: numbered(2),
    stacks: {},
    dataCategories: {},
    vendors,
  });
}

// Some strings name a handful of vendors, so that they are written as ranges; others most of them, as a bit field.
function vendorIds(list) {
  const ids = Object.keys(list.vendors).map(Number);
  return random() < 0.5 ? upTo(below(20)).map(() => ids[below(ids.length)]) : chosen(ids, random());
}

function restrict(model, list) {
  for (const number of upTo(below(6))) {
    const restriction = new PurposeRestriction(1 + below(PURPOSES), (number + below(3)) % 3);
    for (const id of vendorIds(list).slice(0, 40)) model.publisherRestrictions.add(id, restriction);
  }
}

function encoded(list, isRestricted) {
  const model = new TCModel(list);
  model.cmpId = 2 + below(4000);
  model.cmpVersion = below(4000);
  model.isServiceSpecific = random() < 0.5;
  model.purposeOneTreatment = random() < 0.3;
  model.publisherCountryCode = "DE";
  model.created = new Date(1.6e12 + below(1e7) * 1e4);
  model.specialFeatureOptins.set(chosen([1, 2], 0.5));
  model.purposeConsents.set(chosen(upTo(PURPOSES), random()));
  const interests = upTo(PURPOSES).filter((one) => one !== 1);
  model.purposeLegitimateInterests.set(chosen(interests, random()));
  model.vendorConsents.set(vendorIds(list));
  model.vendorLegitimateInterests.set(vendorIds(list));
  if (isRestricted) restrict(model, list);
  return TCString.encode(model);
}

// The first segment alone: the others hold nothing that a bidder asks for.
const core = (text) => text.split(".")[0];
const cut = (text) => text.slice(0, below(text.length));

function damaged(text) {
  const place = below(text.length);
  const letters = random() < 0.95 ? ALPHABET : NOT_OF_IT;
  const letter = letters[below(letters.length)];
  const ways = [
    () => text.slice(0, place) + letter + text.slice(place + 1),
    () => text.slice(0, place) + text.slice(place + 1),
    () => text.slice(0, place) + letter + text.slice(place),
    () => text + letter.repeat(1 + below(3)),
  ];
  return ways[below(ways.length)]();
}

function idsOf(vector) {
  const ids = [];
  vector.forEach((isSet, id) => isSet && ids.push(id));
  return ids;
}

function read(tc) {
  let model;
  try {
    model = TCString.decode(tc);
  } catch (error) {
    return { tc, error: `${error.name}: ${error.message}` };
  }
  const restrictions = model.publisherRestrictions;
  return {
    tc,
    version: model.version,
    policy: model.policyVersion,
    created_ms: model.created.getTime(),
    cmp: model.cmpId,
    purpose_consents: idsOf(model.purposeConsents),
    purpose_li: idsOf(model.purposeLegitimateInterests),
    special_features: idsOf(model.specialFeatureOptins),
    vendor_consents: idsOf(model.vendorConsents),
    vendor_li: idsOf(model.vendorLegitimateInterests),
    restrictions: restrictions.getRestrictions().map((one) => ({
      purpose: one.purposeId,
      type: one.restrictionType,
      vendors: restrictions.getVendors(one),
    })),
    purpose_one_treatment: model.purposeOneTreatment,
    service_specific: model.isServiceSpecific,
  };
}

const list = vendorList();
for (let number = 0; number < count; number++) {
  const whole = encoded(list, true);
  // Without restrictions: a damaged one may name tens of thousands of vendors, for which the library takes seconds.
  const plain = core(encoded(list, false));
  for (const tc of [whole, cut(core(whole)), damaged(plain), damaged(plain)]) console.log(JSON.stringify(read(tc)));
}
