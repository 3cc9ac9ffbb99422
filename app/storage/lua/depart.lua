-- Let continue calls leave whose moment has come, in rounds between accounts and in order of acceptance within one.
--
-- A turn whose call may not leave at once waits in the place READY without a worker. Who asks here makes the calls at
-- once, so a moment is reserved only for a call that leaves in it.
--
-- ARGV: 1 parameters (JSON)
-- p.tokens: an owner's token for each call that the asking process could make now. p.crowded: as in take.lua.
-- p.pace: as in pacing.lua.
-- Returns the microseconds after which it is worth asking again, -1 where nothing waits, and the turns that leave, each
-- as holding.lua tells it.

local p = cjson.decode(ARGV[1])
local now = microseconds()
local soonest, departed = -1, {}

local function worth_asking(moment)
  if soonest < 0 or moment - now < soonest then
    soonest = moment - now
  end
end

local function may_leave(account)
  if (p.crowded[account] or 1) <= 0 then
    worth_asking(now + 100000)
    return false
  end
  local moment = account_moment(account, now)
  if moment > now then
    worth_asking(moment)
  end
  return moment <= now
end

for _, token in ipairs(p.tokens) do
  if redis.call('EXISTS', READY) == 0 then
    soonest = -1
    break
  end
  local egress, at = first_egress(p.pace, now)
  if at > now then
    soonest = at - now
    break
  end
  local account = first_account(READY, may_leave)
  if not account then
    break
  end
  local turn_id = first_turn(READY, account)
  go_from(READY, account, turn_id, true)
  if p.crowded[account] then
    p.crowded[account] = p.crowded[account] - 1
  end
  if may_be_held(turn_id, p.now) then
    reserve_call(p.pace, egress, account, now, now)
    hold(turn_id, token, p.worker, '', p.now, p.lease_until)
    -- Told as it was: the call has not been made yet.
    departed[#departed + 1] = taken(turn_id, token, egress[1])
    redis.call('HSET', TURN_PREFIX .. turn_id, 'maybe_delivered', 1)
    add_step(turn_id, p.now, 'continue_call', {egress = egress[1]})
  end
  soonest = 0
end
return {soonest, departed}
