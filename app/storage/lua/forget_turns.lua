-- Take texts, and all that leads to the contact, out of closed turns, and write down what they left at OpenAI.
--
-- A turn in the conversation that has begun meanwhile is another matter: the contact has written again.
-- KEYS: the work, open turns, conversation, then turn and steps in turn
-- ARGV: line, step to tell, then in turn: turn id, what it left at OpenAI (JSON list)

local line, now_in = ARGV[1], redis.call('HGET', KEYS[3], 'conversation_id')
for i = 4, #KEYS, 2 do
  local turn, steps, id, left = KEYS[i], KEYS[i + 1], ARGV[i - 1], ARGV[i]
  local found = redis.call('HMGET', turn, 'line', 'conversation_id', 'account_id', 'note_lead_id')
  local again = now_in and found[2] == now_in
  if found[1] == line and not again and not redis.call('ZSCORE', KEYS[2], id) then
    for _, remote in ipairs(cjson.decode(left)) do
      redis.call('HSETNX', KEYS[1], 'openai:' .. remote, 'pending')
    end
    redis.call('HINCRBY', KEYS[1], 'here:messages', redis.call('HDEL', turn, 'sealed'))
    redis.call('HINCRBY', KEYS[1], 'here:answers', redis.call('HDEL', turn, 'answer'))
    redis.call('HINCRBY', KEYS[1], 'here:turns', 1)
    redis.call('HDEL', turn, 'line', 'contact_keys', 'note_lead_id', 'conversation_id', 'answer_id')
    redis.call('ZREM', list_of_contact(found[3], line), id)
    if found[4] then
      redis.call('ZREM', list_of_lead(found[3], found[4]), id)
    end
    redis.call('RPUSHX', steps, ARGV[2])
  end
end
