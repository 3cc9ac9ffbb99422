-- Put behind ledger.lua. Boosts are extra requests beside the plan, burnt when the month's allowance is used up: first
-- those that expire first, then the oldest.
--
-- `boosts`, a sorted set: the boosts that may have something left, by expiry; a member is the moment of adding and the
-- key, so that boosts of equal expiry stand in the order of their age. `boost_left`, a hash: what is left of each, and
-- of all together (`*`), so that the usual acceptance looks at one number. A month remembers what it burnt, in all
-- (`boosted`) and of each (`boost:<member>`): a release or a larger plan gives it back to where it came from.

local function boosts_of(account)
  return 'bytegpt:boosts:' .. account
end

local function lefts_of(account)
  return 'bytegpt:boost_left:' .. account
end

local function open_month_of(account)
  return 'bytegpt:open_month:' .. account
end

local function left_of_boosts(account)
  return tonumber(redis.call('HGET', lefts_of(account), '*') or 0)
end

-- The balance of the boosts stands in one month's ledger at a time: that of the month which is worked in. When another
-- one begins, or an account moves to another time zone and back, it is carried over.
local function open_month(account, period, at)
  local open = redis.call('GET', open_month_of(account))
  if open == period then
    return
  end
  redis.call('SET', open_month_of(account), period)
  local left = left_of_boosts(account)
  if left > 0 then
    if open then
      write_entry(account, open, at, 'carry', '', -left, period)
    end
    write_entry(account, period, at, 'carry', '', left, open or '')
  end
end

local function lose(account, period, at, member, kind)
  local left = tonumber(redis.call('HGET', lefts_of(account), member) or 0)
  redis.call('ZREM', boosts_of(account), member)
  redis.call('HDEL', lefts_of(account), member)
  redis.call('HINCRBY', lefts_of(account), '*', -left)
  if left > 0 then
    write_entry(account, period, at, kind, '', -left, member:sub(17))
  end
end

-- Boosts whose time is over lose what is left of them. Returns what is left of all others. Only an account that ever had
-- a boost is looked through.
local function expire_boosts(account, period, at)
  local left = redis.call('HGET', lefts_of(account), '*')
  if not left then
    return 0
  end
  local over = redis.call('ZRANGEBYSCORE', boosts_of(account), '-inf', at)
  for _, member in ipairs(over) do
    lose(account, period, at, member, 'expire')
  end
  return #over > 0 and left_of_boosts(account) or tonumber(left)
end

local function burn(account, quota_key, wanted)
  local burnt = 0
  for _, member in ipairs(redis.call('ZRANGE', boosts_of(account), 0, -1)) do
    if burnt == wanted then
      break
    end
    local taken = math.min(tonumber(redis.call('HGET', lefts_of(account), member) or 0), wanted - burnt)
    if taken > 0 then
      redis.call('HINCRBY', lefts_of(account), member, -taken)
      redis.call('HINCRBY', quota_key, 'boost:' .. member, taken)
      burnt = burnt + taken
    end
  end
  redis.call('HINCRBY', lefts_of(account), '*', -burnt)
  redis.call('HINCRBY', quota_key, 'boosted', burnt)
  return burnt
end

-- What this month burnt of each boost, the one that was burnt last first.
local function burnt_last_first(account, quota_key)
  local found = {}
  local fields = redis.call('HGETALL', quota_key)
  for i = 1, #fields, 2 do
    if fields[i]:sub(1, 6) == 'boost:' and tonumber(fields[i + 1]) > 0 then
      local member = fields[i]:sub(7)
      local expiry = redis.call('ZSCORE', boosts_of(account), member)
      found[#found + 1] = {member = member, requests = tonumber(fields[i + 1]), expiry = expiry and tonumber(expiry)}
    end
  end
  table.sort(found, function(one, other)
    if (one.expiry or -1) ~= (other.expiry or -1) then
      return (one.expiry or -1) > (other.expiry or -1)
    end
    return one.member > other.member
  end)
  return found
end

-- Give requests back to the boosts they came from. What came from a boost that is gone is gone with it.
-- Returns how many the boosts got back.
local function give_back(account, period, quota_key, wanted, at)
  local given, gone = 0, 0
  for _, burnt in ipairs(burnt_last_first(account, quota_key)) do
    local back = math.min(burnt.requests, wanted - given - gone)
    if back > 0 then
      redis.call('HINCRBY', quota_key, 'boost:' .. burnt.member, -back)
      if burnt.expiry then
        redis.call('HINCRBY', lefts_of(account), burnt.member, back)
        given = given + back
      else
        gone = gone + back
        write_entry(account, period, at, 'expire', '', -back, burnt.member:sub(17))
      end
    end
  end
  redis.call('HINCRBY', lefts_of(account), '*', given)
  redis.call('HINCRBY', quota_key, 'boosted', -(given + gone))
  return given
end
