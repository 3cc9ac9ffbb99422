-- Mark an account as being removed. Returns when it was marked first, nil where there is none.
--
-- A second time it changes nothing. The version makes everybody who remembers the account look again.
-- KEYS: account   ARGV: now

if redis.call('EXISTS', KEYS[1]) == 0 then
  return nil
end
if redis.call('HSETNX', KEYS[1], 'removing', ARGV[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
return redis.call('HGET', KEYS[1], 'removing')
