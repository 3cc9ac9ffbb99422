-- Add a boost to an account, once for each of its keys.
--
-- KEYS: account, plans, the account's boosts by key
-- ARGV: account id, now, this month, key, requests, expiry in milliseconds, record (JSON)
-- Returns 'added', 'known' or 'no_account'.

local account_key, plans_key, boosts_key = KEYS[1], KEYS[2], KEYS[3]
local account, now, period, key, requests, expiry, record = unpack(ARGV)
now, requests = tonumber(now), tonumber(requests)

if redis.call('EXISTS', account_key) == 0 then
  return 'no_account'
end
if redis.call('HSETNX', boosts_key, key, record) == 0 then
  return 'known'
end
prepare_month(account, period, now, plan_in(account_key, plans_key, period))
local member = string.format('%015d', now) .. ':' .. key
redis.call('ZADD', boosts_of(account), expiry, member)
redis.call('HSET', lefts_of(account), member, requests)
redis.call('HINCRBY', lefts_of(account), '*', requests)
write_entry(account, period, now, 'boost', '', requests, key)
expire_boosts(account, period, now)
rebalance(account, period, now)
return 'added'
