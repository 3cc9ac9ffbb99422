-- The moments at which calls to Kommo may leave: from an egress address, and for an account.
--
-- Generic cell rate: a bucket remembers when its next call may leave, and when that was written. Redis' clock, because
-- all machines share it and only differences count. No burst: a call every 1/rate seconds is what keeps any window of a
-- second under Kommo's seven. pace.egress: {name, microseconds between calls} of each address of the asking machine;
-- pace.account: the microseconds between calls for one account.

local PACE = 'bytegpt:pace:'

local function microseconds()
  local clock = redis.call('TIME')
  return clock[1] * 1000000 + clock[2]
end

-- What was written at a moment that has not come yet was written before the clock was put back: all calls would wait
-- until it has caught up.
local function moment_of(key, now)
  local moment, written_at = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
  if not moment or tonumber(written_at) > now then
    return now
  end
  return math.max(now, tonumber(moment))
end

local function reserve_until(key, moment, now)
  local value = string.format('%.0f %.0f', moment, now)
  redis.call('SET', key, value, 'PX', math.ceil((moment - now) / 1000) + 1000)
end

local function account_moment(account, now)
  return moment_of(PACE .. 'account:' .. account, now)
end

-- The address from which a call may leave first, and when.
local function first_egress(pace, now)
  local first, at
  for _, egress in ipairs(pace.egress) do
    local moment = moment_of(PACE .. 'egress:' .. egress[1], now)
    if not at or moment < at then
      first, at = egress, moment
    end
  end
  return first, at
end

local function reserve_call(pace, egress, account, moment, now)
  reserve_until(PACE .. 'egress:' .. egress[1], moment + egress[2], now)
  reserve_until(PACE .. 'account:' .. account, moment + pace.account, now)
end

-- Reserve the moment of one call within pace.within microseconds, unless continue calls wait for theirs: they go first,
-- but for a call that goes ahead of them. Returns the address and the microseconds until then, nil where the call must
-- wait longer.
local function leave_soon(pace, account, ahead)
  if not ahead and redis.call('EXISTS', READY) == 1 then
    return nil
  end
  local now = microseconds()
  local egress, at = first_egress(pace, now)
  local moment = math.max(at, account_moment(account, now))
  if moment - now > pace.within then
    return nil
  end
  reserve_call(pace, egress, account, moment, now)
  return egress[1], moment - now
end
