-- A place where turns wait, in order of acceptance, or of replay, within an account and in rounds between accounts: each account that
-- waits is served once a round, so one company's flood never stands before another's single turn. Who comes while
-- others wait joins the present round, unless it has been served in it (start-time fair queueing; every turn counts 1).
--
-- A place is four keys: `<place>` (sorted set: accounts by round, then by their first turn's acceptance),
-- `<place>:<account>` (sorted set: turns by acceptance), and, while anybody waits, `<place>:round` (string: the one
-- being served) and `<place>:served` (sorted set: accounts that have been served and wait no more, by their next round).

local QUEUED, READY = 'bytegpt:queued', 'bytegpt:ready'
-- The acceptance, in milliseconds, stands below the round in one score; it wraps once in 37 hours, and only orders
-- accounts within a round.
local ROUND = 134217728

local function stand(place, account, round, first_at)
  redis.call('ZADD', place, round * ROUND + first_at % ROUND, account)
end

local function wait_at(place, account, turn_id, accepted_at)
  redis.call('ZADD', place .. ':' .. account, accepted_at, turn_id)
  local score = redis.call('ZSCORE', place, account)
  if not score then
    -- Who was served stands beside a round and goes with it.
    local now = redis.call('GET', place .. ':round')
    local next_round = now and redis.call('ZSCORE', place .. ':served', account)
    stand(place, account, math.max(now or 0, next_round or 0), accepted_at)
  elseif redis.call('ZRANGE', place .. ':' .. account, 0, 0)[1] == turn_id then
    stand(place, account, math.floor(score / ROUND), accepted_at)
  end
end

local function waits_at(place, account, turn_id)
  return redis.call('ZSCORE', place .. ':' .. account, turn_id)
end

-- Take a turn out of a place. served: it was its account's turn in this round.
local function go_from(place, account, turn_id, served)
  if redis.call('ZREM', place .. ':' .. account, turn_id) == 0 then
    return
  end
  local round = math.floor(redis.call('ZSCORE', place, account) / ROUND)
  local now = tonumber(redis.call('GET', place .. ':round') or 0)
  if served then
    now = math.max(round, now)
    redis.call('SET', place .. ':round', now)
    redis.call('ZREMRANGEBYSCORE', place .. ':served', '-inf', now)
    -- Also for an account that was passed over in rounds before: it makes up for nothing at the cost of others.
    round = now + 1
  end
  local first = redis.call('ZRANGE', place .. ':' .. account, 0, 0, 'WITHSCORES')
  if first[1] then
    stand(place, account, round, first[2])
    return
  end
  redis.call('ZREM', place, account)
  if redis.call('EXISTS', place) == 0 then
    redis.call('DEL', place .. ':round', place .. ':served')
  elseif round > now then
    redis.call('ZADD', place .. ':served', round, account)
  end
end

-- The first account of a place, in order of rounds, for which wanted(account) holds; nil where there is none.
local function first_account(place, wanted)
  local from = 0
  while true do
    local some = redis.call('ZRANGE', place, from, from + 31)
    for _, account in ipairs(some) do
      if wanted(account) then
        return account
      end
    end
    if #some < 32 then
      return nil
    end
    from = from + 32
  end
end

local function first_turn(place, account)
  return redis.call('ZRANGE', place .. ':' .. account, 0, 0)[1]
end
