-- Put behind boosts.lua: what an account may still use of a month, and what uses it up.
--
-- What is left = allowance + boosted + left of all boosts - used - reserved. Allowance and boosts are one limit: whatever
-- was used beyond the present allowance has burnt boosts, also after a change of plan. A month that has used more than a
-- smaller plan and all boosts give has nothing left; the ledger's sum is then below zero.

-- The figures of a month. granted: whether it has an allowance yet.
local function figures(account, period)
  local found = redis.call('HMGET', quota_of(account, period), 'allowance', 'used', 'reserved', 'boosted')
  return {granted = found[1] and true, allowance = tonumber(found[1] or 0), used = tonumber(found[2] or 0),
    reserved = tonumber(found[3] or 0), boosted = tonumber(found[4] or 0)}
end

-- boosts: what is left of all of them.
local function left_of(month, boosts)
  return math.max(0, month.allowance + month.boosted + boosts - month.used - month.reserved)
end

local function remaining(account, period)
  return left_of(figures(account, period), left_of_boosts(account))
end

-- Let the boosts carry what the allowance does not, and no more. month: its figures where they are known.
local function rebalance(account, period, at, month)
  month = month or figures(account, period)
  local needed, boosted = math.max(0, month.used + month.reserved - month.allowance), month.boosted
  if needed == boosted then
    return
  end
  local moved
  if needed > boosted then
    moved = -burn(account, quota_of(account, period), needed - boosted)
  else
    moved = give_back(account, period, quota_of(account, period), boosted - needed, at)
  end
  -- A turn of last month may end in this one, where the balance of the boosts stands by now.
  local open = redis.call('GET', open_month_of(account))
  if moved ~= 0 and open and open ~= period then
    write_entry(account, period, at, 'carry', '', -moved, open)
    write_entry(account, open, at, 'carry', '', moved, period)
  end
end

-- The plan that an account has in a month, and its requests. plan, next_plan, next_period: as the account's hash has them.
local function plan_of(plans_key, period, plan, next_plan, next_period)
  if next_plan and period >= next_period then
    plan = next_plan
  end
  return plan, tonumber(redis.call('HGET', plans_key, plan) or 0)
end

local function plan_in(account_key, plans_key, period)
  return plan_of(plans_key, period, unpack(redis.call('HMGET', account_key, 'plan', 'next_plan', 'next_plan_period')))
end

-- Bring a month up to date before it is used: granted once, recounted when the plan is another, boosts carried over.
-- Returns its figures and what is left of all boosts.
local function prepare_month(account, period, at, plan, allowance)
  open_month(account, period, at)
  local boosts = expire_boosts(account, period, at)
  local month = figures(account, period)
  if month.granted and month.allowance == allowance then
    return month, boosts
  end
  if month.granted then
    write_entry(account, period, at, 'plan_change', '', allowance - month.allowance, plan)
  else
    write_entry(account, period, at, 'grant', '', allowance, plan)
  end
  local quota_key = quota_of(account, period)
  redis.call('HSET', quota_key, 'allowance', allowance, 'plan', plan)
  redis.call('PEXPIRE', quota_key, MONTHS_KEPT_MS)
  rebalance(account, period, at)
  return figures(account, period), left_of_boosts(account)
end

-- month: its figures where they are known.
local function reserve(account, period, at, turn_id, weight, handler, month)
  local reserved = redis.call('HINCRBY', quota_of(account, period), 'reserved', weight)
  -- The month has entries, and another one follows when the turn ends: these say how long it is kept.
  add_entry(account, period, at, 'reserve', turn_id, -weight, handler)
  if month then
    month.reserved = reserved
  end
  rebalance(account, period, at, month)
end

local function release(account, period, at, turn_id, weight, reason)
  redis.call('HINCRBY', quota_of(account, period), 'reserved', -weight)
  write_entry(account, period, at, 'release', turn_id, weight, reason)
  rebalance(account, period, at)
end

local function settle(account, period, at, turn_id, weight, reason)
  redis.call('HINCRBY', quota_of(account, period), 'reserved', -weight)
  redis.call('HINCRBY', quota_of(account, period), 'used', weight)
  write_entry(account, period, at, 'settle', turn_id, 0, reason)
end

-- Accounts that had used so many per cent of their month when it last mattered, by that share: what people who look
-- after the service see first. Who is not near costs nothing here; who is not near any more goes when somebody looks.
local NEAR, NEAR_KEY = 80, 'bytegpt:near_limit'

local function note_share(account, used, limit)
  if used * 100 >= NEAR * limit then
    redis.call('ZADD', NEAR_KEY, limit > 0 and math.floor(used * 100 / limit) or 100, account)
  end
end

local function note_month(account, period)
  local month = figures(account, period)
  note_share(account, month.used + month.reserved, month.allowance + month.boosted + left_of_boosts(account))
end

-- The marks, in per cent, that the month has crossed and that nobody was told of. A mark is told once a month, and again
-- when the limit has risen since and is crossed anew. Returns {mark, used, limit} for each.
local function crossed_marks(account, period, marks)
  local month = figures(account, period)
  local used, limit = month.used, month.allowance + month.boosted + left_of_boosts(account)
  local crossed = {}
  note_share(account, used, limit)
  for _, mark in ipairs(marks) do
    local reached = limit > 0 and used * 100 >= mark * limit
    if reached and tonumber(redis.call('HGET', quota_of(account, period), 'alert:' .. mark) or -1) < limit then
      redis.call('HSET', quota_of(account, period), 'alert:' .. mark, limit)
      crossed[#crossed + 1] = {mark, used, limit}
    end
  end
  return crossed
end
