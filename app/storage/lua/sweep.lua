-- Look after open turns whose time has come: their worker is dead, or the wait that they were put to is over. RQ's own
-- recovery takes minutes (stack.md 4).
--
-- A turn that still waits where it was put is given more time; one that would miss its deadline there, or anywhere, is
-- handed to the asking process, which tells the client: for that no thread of the queue is needed. A turn that is
-- decided goes to the continue calls, every other one to the queue. Taking the owner away makes a worker that was merely
-- slow lose its next compare-and-set.
--
-- ARGV: 1 parameters (JSON)
-- p.tokens: an owner's token for each overdue turn that the asking process could take now. p.reserve: milliseconds kept
-- for the continue call. p.looked_at: how many to look at, at most.
-- Returns how many were looked at, the ids whose worker was lost, the overdue turns, each as holding.lua tells it, and
-- whether there are gates to look after (wake.lua).

local p = cjson.decode(ARGV[1])
local lost, overdue, tokens = {}, {}, 0

local function to_continue_calls(turn_id, account, begun_at)
  wait_at(READY, account, turn_id, begun_at)
  redis.call('ZADD', OPEN_KEY, p.lease_until, turn_id)
end

local expired = redis.call('ZRANGEBYSCORE', OPEN_KEY, '-inf', p.now, 'LIMIT', 0, p.looked_at)
for _, turn_id in ipairs(expired) do
  local turn_key = TURN_PREFIX .. turn_id
  local found = redis.call('HMGET', turn_key, 'status', 'owner', 'account_id', 'accepted_at', 'deadline_at', 'gate',
    'replayed_at')
  local status, owner, account, begun_at, gate = found[1], found[2], found[3], found[7] or found[4], found[6]
  local latest = tonumber(found[5] or 0) - p.reserve
  local undecided = status == 'accepted' or status == 'asking'
  if not status then
    redis.call('ZREM', OPEN_KEY, turn_id)
  elseif waits_at(READY, account, turn_id) then
    redis.call('ZADD', OPEN_KEY, p.lease_until, turn_id)
  elseif undecided and p.now < latest and waits_at(QUEUED, account, turn_id) then
    redis.call('ZADD', OPEN_KEY, math.min(p.lease_until, latest), turn_id)
  elseif undecided and p.now >= latest and tokens == #p.tokens then
    -- Another process, or this one in a moment, has room for it.
    redis.call('ZADD', OPEN_KEY, p.now + 200, turn_id)
  else
    if waits_at(QUEUED, account, turn_id) then
      redis.call('DEL', JOB_PREFIX .. dequeue(turn_id, account, false))
    end
    if gate then
      go_from_gate(gate, turn_id)
      redis.call('HDEL', turn_key, 'gate')
    end
    if owner then
      take_away(turn_id)
      lost[#lost + 1] = turn_id
      add_step(turn_id, p.now, 'put_back')
    end
    if undecided and p.now >= latest then
      tokens = tokens + 1
      hold(turn_id, p.tokens[tokens], p.worker, '', p.now, p.lease_until)
      add_step(turn_id, p.now, 'overdue')
      overdue[#overdue + 1] = taken(turn_id, p.tokens[tokens])
    elseif undecided then
      enqueue(turn_id, p.now_iso, p.lease_until)
    else
      to_continue_calls(turn_id, account, begun_at)
    end
  end
end
return {#expired, lost, overdue, redis.call('EXISTS', GATES)}
