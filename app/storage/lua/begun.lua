-- Remember which response or run will hold the answer to a question that was sent, and prolong the lease.
--
-- Every turn says so, and says nothing else with it: advance.lua would take five times as long.
--
-- It is told and not waited for, so what the turn does next may come first: then it is only noted among the steps, by
-- which whoever forgets the client finds it.
--
-- KEYS: turn
-- ARGV: 1 turn id  2 owner's token  3 now  4 lease_until  5 number of the attempt  6 id at OpenAI
--   7 a gate that OpenAI answers, or ''
-- Returns whether the turn is the caller's.

local turn_id, token, now, lease_until, attempt, answer_id, gate = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1], 'owner', 'status', 'answer_id', 'attempts')
if not found[2] or found[1] and found[1] ~= token then
  return 0
end
-- A client of Redis that lost our answer says the same again.
if found[3] ~= answer_id then
  add_step(turn_id, tonumber(now), 'answer_begun', {answer_id = answer_id})
  if found[1] and found[2] == 'asking' and found[4] == attempt then
    redis.call('HSET', KEYS[1], 'answer_id', answer_id)
  end
end
if gate ~= '' then
  gate_holds(gate, tonumber(now))
end
-- Told again after a while, it must not take back what was prolonged since, nor open a turn that was let go of.
if found[1] then
  redis.call('ZADD', OPEN_KEY, 'XX', 'GT', lease_until, turn_id)
end
return 1
