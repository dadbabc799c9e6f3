-- ARGV: bid, lease, campaign, ceiling, now, ttl, stream, min to win (may be empty)
local bid, campaign = ARGV[1], account_key(ARGV[3])
if redis.call('EXISTS', campaign) == 0 then return 'unknown' end
if is_behind(campaign) then return 'behind' end
if noticed(bid, 'charged') then return 'charged' end -- it was sold and is settled: no loss, whoever says so now
if not first(bid, 'loss', ARGV[6]) then return 'duplicate' end
redis.call('HINCRBY', campaign, 'losses', 1)
local outcome = 'counted' -- the money is spent, or about to be
if not noticed(bid, 'bill') and not noticed(bid, 'win') then
  first(bid, 'freed', ARGV[6])
  redis.call('HINCRBY', campaign, 'available', (take(ARGV[2], campaign, tonumber(ARGV[4]))))
  outcome = 'freed'
end
record(ARGV[7], 'loss', bid, ARGV[3], 0, ARGV[5], outcome, ARGV[8])
return outcome
