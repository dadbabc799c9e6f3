-- ARGV: sender, number (may be empty: then it counts each time), and of each campaign: its number, opportunities, bids,
-- probability, levels
if ARGV[1] ~= '' and not is_new(ARGV[1], ARGV[2]) then return 0 end
for i = 3, #ARGV, 5 do
  local campaign = account_key(ARGV[i])
  if redis.call('EXISTS', campaign) == 1 then
    redis.call('HINCRBY', campaign, 'opportunities', ARGV[i + 1])
    redis.call('HINCRBY', campaign, 'bids', ARGV[i + 2])
    redis.call('HINCRBYFLOAT', campaign, 'probability', ARGV[i + 3])
    redis.call('HINCRBYFLOAT', campaign, 'levels', ARGV[i + 4])
  end
end
return 1
