"""Prebid.js in a real browser, through Prebid Server's place, against a platform."""
