-- What the clients of the benchmark do: one function for each load, run by sysbench.

local ffi = require("ffi")
ffi.cdef("int usleep(unsigned int microseconds);")

sysbench.cmdline.options = {
   load = {"Which of the loads", "select_text"},
   rows = {"Rows that tables have from the beginning", 10000},
   base = {"The first new key", "1000000"},
}

local PAUSE = 150000 -- microseconds in which whoever measures reads the clocks, before connections are closed
local TEXT = string.rep("0123456789", 6)
local POINT = "SELECT c FROM plain WHERE id = "
local KEYS_PER_THREAD = 10000000

local driver, connection, statement, key, work
local loads = {}

local function connect()
   connection = driver:connect()
end

-- Conflicts are for the loads to see: without this hook sysbench ends the run.
function sysbench.hooks.sql_error_ignorable(error)
   return error.sql_errno == 1062 or error.sql_errno == 1213
end

function thread_init(thread)
   driver = sysbench.sql.driver()
   key = tonumber(sysbench.opt.base) + thread * KEYS_PER_THREAD
   local load = loads[sysbench.opt.load]
   if load.begin then load.begin() end
   work = load.event
end

function event()
   work()
end

function thread_done(thread)
   if thread == 0 then
      io.write("keyclash: done\n")
      io.flush()
   end
   ffi.C.usleep(PAUSE)
end

local function existing()
   return sysbench.rand.uniform(1, sysbench.opt.rows)
end

local function next_key()
   key = key + 1
   return key
end

loads.select_text = {
   begin = connect,
   event = function() connection:query(POINT .. existing()) end,
}

loads.select_prepared = {
   begin = function()
      connect()
      statement = connection:prepare(POINT .. "?")
      loads.parameter = statement:bind_create(sysbench.sql.type.INT)
      statement:bind_param(loads.parameter)
   end,
   event = function()
      loads.parameter:set(existing())
      statement:execute()
   end,
}

loads.read_write = {
   begin = connect,
   event = function()
      connection:query("BEGIN")
      for _ = 1, 10 do
         connection:query(POINT .. existing())
      end
      local from = existing()
      connection:query(string.format("SELECT c FROM plain WHERE id BETWEEN %d AND %d ORDER BY c", from, from + 99))
      connection:query("UPDATE plain SET n = n + 1 WHERE id = " .. existing())
      connection:query(string.format("UPDATE plain SET c = '%s%d' WHERE id = %d", TEXT, existing(), existing()))
      local gone = existing()
      connection:query("DELETE FROM plain WHERE id = " .. gone)
      connection:query(string.format("INSERT INTO plain (id, c, n) VALUES (%d, '%s', 0)", gone, TEXT))
      connection:query("COMMIT")
   end,
}

loads.insert = {
   begin = connect,
   event = function()
      connection:query(string.format("INSERT INTO plain (k, c, n) VALUES (%d, '%s', 1)", next_key(), TEXT))
   end,
}

loads.connect = {
   event = function() driver:connect():disconnect() end,
}
