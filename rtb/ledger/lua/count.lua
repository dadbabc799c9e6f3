-- ARGV: bid, campaign, kind, counter, now, ttl, stream, min to win (may be empty), and of what a user did how long a
-- paid bid is remembered for it (else empty). What a user did with a bid that nobody charged is counted apart.
local bid, kind, campaign = ARGV[1], ARGV[3], account_key(ARGV[2])
if redis.call('EXISTS', campaign) == 0 then return 'unknown' end
if is_behind(campaign) then return 'behind' end
local counter, outcome, ttl = ARGV[4], 'counted', ARGV[6]
if ARGV[9] ~= '' then
  if noticed(bid, 'paid') then ttl = ARGV[9] else counter, outcome = 'unpaid', 'unpaid' end
end
if not first(bid, kind, ttl) then return 'duplicate' end
redis.call('HINCRBY', campaign, counter, 1)
record(ARGV[7], kind, bid, ARGV[2], 0, ARGV[5], outcome, ARGV[8])
return outcome
