-- Delete turns of an account that is being removed, with the notes that they are due.
--
-- KEYS: removal, the account's turns, notes, then turn and steps in turn   ARGV: the turns' ids

local wanted = {}
for i, id in ipairs(ARGV) do
  wanted[id] = true
  redis.call('HINCRBY', KEYS[1], 'turns', redis.call('UNLINK', KEYS[2 + 2 * i]))
  redis.call('UNLINK', KEYS[3 + 2 * i])
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', ALL_TURNS, id)
  for _, kind in ipairs(ENDED) do
    redis.call('ZREM', all_ended(kind), id)
  end
end
for _, note in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if wanted[note:match('^[^:]+')] then
    redis.call('ZREM', KEYS[3], note)
    redis.call('HINCRBY', KEYS[1], 'notes', 1)
  end
end
