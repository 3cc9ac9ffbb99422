-- Begin to forget a contact: its conversation is taken away and written down as to be deleted at OpenAI.
--
-- KEYS: line, conversation, past conversations, the work   ARGV: now, how long the work is kept

if redis.call('LLEN', KEYS[1]) > 0 then
  return 0
end
redis.call('HSETNX', KEYS[4], 'begun_at', ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[2])
local found = redis.call('HMGET', KEYS[2], 'api', 'conversation_id')
local known = redis.call('SMEMBERS', KEYS[3])
if found[2] then
  known[#known + 1] = found[1] .. ' ' .. found[2]
end
for _, conversation in ipairs(known) do
  local api, id = conversation:match('^(%S+) (.*)$')
  redis.call('HSETNX', KEYS[4], 'openai:' .. (api == 'assistants' and 'thread' or 'conversation') .. ':' .. id,
    'pending')
end
redis.call('HINCRBY', KEYS[4], 'here:conversations', #known)
redis.call('DEL', KEYS[2], KEYS[3])
return 1
