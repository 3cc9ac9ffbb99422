-- Delete other keys of an account that is being removed.
--
-- KEYS: removal, then what is removed   ARGV: of what kind each of it is

for i, kind in ipairs(ARGV) do
  local gone = redis.call('UNLINK', KEYS[i + 1])
  if gone > 0 then
    redis.call('HINCRBY', KEYS[1], kind, gone)
  end
end
