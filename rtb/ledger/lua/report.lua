-- ARGV: campaign, opportunities, bids, probability
local campaign = campaign_key(ARGV[1])
if redis.call('EXISTS', campaign) == 0 then return 0 end
redis.call('HINCRBY', campaign, 'opportunities', ARGV[2])
redis.call('HINCRBY', campaign, 'bids', ARGV[3])
redis.call('HINCRBYFLOAT', campaign, 'probability', ARGV[4])
return 1
