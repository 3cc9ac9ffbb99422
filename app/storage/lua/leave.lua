-- Reserve the moment of one call to Kommo that is no continue call, where it is near (pacing.lua).
--
-- ARGV: account, pace (JSON), 1 where the call goes before the continue calls that wait
-- Returns the address and the microseconds until then, or nothing.

local egress, wait = leave_soon(cjson.decode(ARGV[2]), ARGV[1], ARGV[3] == '1')
return egress and {egress, wait} or {}
