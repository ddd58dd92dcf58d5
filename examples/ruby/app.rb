# A guest book, in Sinatra: the newest entries, kept in memory. No Dockerfile: `carrack deploy examples/ruby -a NAME`
# makes one. GREETING is what the page says first.
require "sinatra/base"

class GuestBook < Sinatra::Base
  KEPT = 100
  LONGEST = 500

  set :entries, []
  set :lock, Mutex.new
  set :views, File.join(__dir__, "views")

  helpers ERB::Util

  get "/" do
    @greeting = ENV.fetch("GREETING", "Welcome")
    @entries = settings.lock.synchronize { settings.entries.dup }
    erb :page
  end

  post "/" do
    text = params["text"].to_s.strip
    halt 422, "an entry has 1 to #{LONGEST} characters\n" unless text.length.between?(1, LONGEST)
    settings.lock.synchronize do
      settings.entries.unshift(text)
      settings.entries.slice!(KEPT..)
    end
    redirect to("/"), 303
  end
end
