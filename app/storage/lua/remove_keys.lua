-- Delete other keys of an account that is being removed.
--
-- KEYS: removal, then what is removed   ARGV: of what kind each of it is

for i, kind in ipairs(ARGV) do
  if redis.call('UNLINK', KEYS[i + 1]) == 1 then
    redis.call('HINCRBY', KEYS[1], kind, 1)
  end
end
