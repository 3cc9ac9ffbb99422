-- Remember which response or run will hold the answer to a question that was sent, and prolong the lease.
--
-- Every turn says so, and says nothing else with it: advance.lua would take five times as long.
--
-- KEYS: turn
-- ARGV: 1 turn id  2 owner's token  3 now  4 lease_until  5 id at OpenAI  6 a gate that OpenAI answers, or ''
-- Returns whether the turn is the caller's.

local turn_id, token, now, lease_until, answer_id, gate = unpack(ARGV)
local found = redis.call('HMGET', KEYS[1], 'owner', 'status', 'answer_id')
if found[1] ~= token or found[2] ~= 'asking' then
  return 0
end
-- A client of Redis that lost our answer says the same again.
if found[3] ~= answer_id then
  redis.call('HSET', KEYS[1], 'answer_id', answer_id)
  add_step(turn_id, tonumber(now), 'answer_begun', {answer_id = answer_id})
end
if gate ~= '' then
  gate_holds(gate, tonumber(now))
end
redis.call('ZADD', OPEN_KEY, lease_until, turn_id)
return 1
