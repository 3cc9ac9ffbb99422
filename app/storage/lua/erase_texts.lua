-- Erase the texts of turns whose time is over. A turn that was kept for their sake has no longer to live than others.
--
-- KEYS: open turns, then turn and steps in turn
-- ARGV: step to tell, turns that were accepted before this end with their texts, then the turns' ids
-- Returns in how many turns texts were erased, and how many turns are open and were left alone.

local erased, open = 0, 0
for i = 3, #ARGV do
  local turn, steps = KEYS[2 * i - 4], KEYS[2 * i - 3]
  if redis.call('ZSCORE', KEYS[1], ARGV[i]) then
    open = open + 1
  elseif redis.call('HDEL', turn, 'sealed', 'answer') > 0 then
    erased = erased + 1
    redis.call('RPUSHX', steps, ARGV[1])
    local rest = math.max(1, tonumber(redis.call('HGET', turn, 'accepted_at')) - tonumber(ARGV[2]))
    if redis.call('PTTL', turn) > rest then
      redis.call('PEXPIRE', turn, rest)
      redis.call('PEXPIRE', steps, rest)
    end
  end
end
return {erased, open}
