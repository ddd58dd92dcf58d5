package example;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * JSON in, the same in order out, with Gson. No Dockerfile: {@code carrack deploy examples/java -a NAME} makes one.
 *
 * <p>GET / says GREETING; POST /format answers the body, indented, or 422 with what is wrong with it.
 */
public final class JsonDesk {
	private static final int MOST_BYTES = 1 << 20;
	private static final int THREADS = 16;
	private static final int DRAIN_SECONDS = 20;
	private static final Gson GSON = new GsonBuilder().setPrettyPrinting().disableHtmlEscaping().serializeNulls().create();

	private JsonDesk() {
	}

	private static void answer(HttpExchange exchange, int status, String text) throws IOException {
		byte[] bytes = (text + "\n").getBytes(StandardCharsets.UTF_8);
		exchange.getResponseHeaders().set("Content-Type", "application/json; charset=utf-8");
		exchange.sendResponseHeaders(status, bytes.length);
		exchange.getResponseBody().write(bytes);
		exchange.close();
	}

	private static void greet(HttpExchange exchange) throws IOException {
		boolean isHere = exchange.getRequestURI().getPath().equals("/");
		String greeting = System.getenv().getOrDefault("GREETING", "hello");
		answer(exchange, isHere ? 200 : 404, GSON.toJson(Map.of("greeting", greeting)));
	}

	private static void format(HttpExchange exchange) throws IOException {
		byte[] body = exchange.getRequestBody().readNBytes(MOST_BYTES + 1);
		if (body.length > MOST_BYTES) {
			answer(exchange, 413, GSON.toJson(Map.of("error", "more than " + MOST_BYTES + " bytes")));
			return;
		}
		try {
			JsonElement value = JsonParser.parseString(new String(body, StandardCharsets.UTF_8));
			answer(exchange, 200, GSON.toJson(value));
		} catch (JsonParseException failure) {
			answer(exchange, 422, GSON.toJson(Map.of("error", failure.getMessage())));
		}
	}

	private static void end(HttpServer server, ExecutorService threads) {
		server.stop(1);
		threads.shutdown();
		try {
			threads.awaitTermination(DRAIN_SECONDS, TimeUnit.SECONDS);
		} catch (InterruptedException ignored) {
			Thread.currentThread().interrupt();
		}
	}

	public static void main(String[] arguments) throws IOException {
		int port = Integer.parseInt(System.getenv().getOrDefault("PORT", "8080"));
		HttpServer server = HttpServer.create(new InetSocketAddress(port), 0);
		ExecutorService threads = Executors.newFixedThreadPool(THREADS);
		server.setExecutor(threads);
		server.createContext("/", JsonDesk::greet);
		server.createContext("/format", JsonDesk::format);
		Runtime.getRuntime().addShutdownHook(new Thread(() -> end(server, threads)));
		server.start();
		System.out.println("listening on " + port);
	}
}
