-- Put in front of every script that ends a turn or records an attempt: the figures of usage change in the same step as
-- the charge, so that they can neither run ahead of the ledger nor fall behind it.
--
-- One hash for each account and day; app/domain/usage.py makes the names of its fields and says what they count.
-- Adding is O(rows): each costs a look whether the value has a field already, and one increment for each amount.
-- Handlers, contacts and models are untrusted or unbounded, so only so many of them have fields of their own on one day;
-- all others share one field, and every sum stays right. Measured for an account-day with its minutes: 30 turns 2 KiB,
-- 3,333 turns of 800 contacts (100,000 a month) 80 KiB, that is 0.6 and 31 MiB in 400 days.

local USAGE_KEPT_MS = 400 * 24 * 3600 * 1000
-- Dimensions without a number here have few values by nature: outcomes, hours.
local MOST_VALUES = {h = 200, c = 2000, mx = 50, me = 50, mu = 50, r = 10}

-- The field under which a value counts: its own, or that of all others where the day is full.
local function usage_field(key, dimension, value)
  local most, own = MOST_VALUES[dimension], dimension .. '|' .. value
  if not most or redis.call('HEXISTS', key, own) == 1 then
    return own
  end
  local number = '#' .. dimension
  if tonumber(redis.call('HGET', key, number) or 0) >= most then
    return dimension .. '+|'
  end
  redis.call('HINCRBY', key, number, 1)
  return own
end

-- rows: list of {dimension, value, amount, then suffix and amount in turn}
local function count_usage(key, rows)
  for _, row in ipairs(rows) do
    local field = usage_field(key, row[1], row[2])
    redis.call('HINCRBY', key, field, row[3])
    for i = 4, #row, 2 do
      redis.call('HINCRBY', key, field .. '|' .. row[i], row[i + 1])
    end
  end
  redis.call('PEXPIRE', key, USAGE_KEPT_MS)
end

-- One minute of a model, `541|gpt-6-luna`. `r|gpt-6-luna` holds the day's sum, and tells that the model has fields.
local function count_minute(key, minute, model, amount)
  local field = usage_field(key, 'r', model)
  redis.call('HINCRBY', key, field, amount)
  redis.call('HINCRBY', key, minute .. field:sub(2), amount)
  redis.call('PEXPIRE', key, USAGE_KEPT_MS)
end

-- usage: as app/storage/usage.py writes it (usage_arguments)
local function add_usage(usage)
  if usage.rows then
    count_usage(usage.day_key, usage.rows)
  end
  if usage.amount then
    count_minute(usage.minutes_key, usage.minute, usage.model, usage.amount)
  end
end
