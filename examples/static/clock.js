"use strict";

const zones = ["Pacific/Auckland", "Asia/Tokyo", "Europe/Berlin", "Africa/Nairobi", "America/Lima", "Pacific/Honolulu"];
const list = document.getElementById("clocks");

const items = zones.map((zone) => {
	const item = list.appendChild(document.createElement("li"));
	return { item, name: zone.split("/")[1], format: new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeStyle: "medium" }) };
});

const tick = () => {
	const now = new Date();
	for (const { item, name, format } of items)
		item.textContent = `${name} ${format.format(now)}`;
};

setInterval(tick, 1000);
tick();
