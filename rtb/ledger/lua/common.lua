-- Shared by the scripts below: keys, the once-per-bid mark, and taking a bid's money out of its lease.
-- Everywhere `0 - x` rather than `-x`: Redis 7.0 and earlier write minus nothing as "-0", which is no integer to them.

local function campaign_key(number) return 'raybid:campaign:' .. number end

-- Accounts are campaigns' own or their arms' in experiments (`rtb.money.accounts`). What belongs to an arm that has rejoined
-- its campaign is the campaign's.
local ARMS = 2097152
local function account_key(number)
  local key = campaign_key(number)
  if tonumber(number) < ARMS or redis.call('EXISTS', key) == 1 then return key end
  return campaign_key(tonumber(number) % ARMS)
end

-- Number of a campaign's arm, nil where it has none.
local function arm_of(campaign)
  local arm = redis.call('HGET', campaign, 'arm')
  if arm and arm ~= '0' then return arm end
end

-- Whether the ledger knows less of an account than is known elsewhere: see `verify`.
local function is_behind(account) return redis.call('HGET', account, 'behind') == '1' end

local function lease_key(id) return 'raybid:lease:' .. id end
local LEASES = 'raybid:leases'

-- True the first time a bid gets this mark: a kind of notice, `charged` or `freed`. It outlives the bid's token.
local function first(bid, kind, ttl)
  local key = 'raybid:bid:' .. bid
  if redis.call('HSETNX', key, kind, 1) == 0 then return false end
  -- The marks of a bid lie together; one that is needed for shorter must not shorten the others.
  if tonumber(ttl) > redis.call('TTL', key) then redis.call('EXPIRE', key, ttl) end
  return true
end

local function noticed(bid, kind)
  return redis.call('HEXISTS', 'raybid:bid:' .. bid, kind) == 1
end

-- Count what leases of one caller hold of an account; no caller: the lease is for whoever comes.
local function hold(account, caller, amount)
  if not caller or caller == '' or amount == 0 then return end
  local name = 'held:' .. caller
  if redis.call('HINCRBY', account, name, amount) == 0 then redis.call('HDEL', account, name) end
end

-- Take `ceiling` out of the pot the bid's money lies in; returns what was really there, and whose bids the lease pays.
local function take(lease, campaign, ceiling)
  local key = lease_key(lease)
  local state = redis.call('HMGET', key, 'closed', 'leased', 'reserved', 'caller')
  if not state[1] then return 0 end
  local pot, held = 'leased', tonumber(state[2])
  if state[1] == '1' then pot, held = 'reserved', tonumber(state[3]) end
  held = math.min(held, ceiling)
  redis.call('HINCRBY', key, pot, 0 - held)
  redis.call('HINCRBY', key, 'freed', held)
  redis.call('HINCRBY', campaign, pot, 0 - held)
  hold(campaign, state[4], 0 - held)
  return held, state[4]
end

-- Never trimmed here: the writer of events trims what it has made durable. Empty values become nulls there.
local function record(stream, kind, bid, campaign, price, now, outcome, min_to_win)
  redis.call('XADD', stream, '*', 'kind', kind, 'bid', bid, 'campaign', campaign, 'price_micros', price, 'at', now,
    'outcome', outcome, 'min_to_win_micros', min_to_win or '')
end
