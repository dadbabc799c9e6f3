-- ARGV: bid, campaign, kind, counter, now, ttl, stream, min to win (may be empty)
local campaign = account_key(ARGV[2])
if redis.call('EXISTS', campaign) == 0 then return 'unknown' end
if is_behind(campaign) then return 'behind' end
if not first(ARGV[1], ARGV[3], ARGV[6]) then return 'duplicate' end
redis.call('HINCRBY', campaign, ARGV[4], 1)
record(ARGV[7], ARGV[3], ARGV[1], ARGV[2], 0, ARGV[5], 'counted', ARGV[8])
return 'counted'
