"""The entities of the Spanish sample; their parts that both languages share are in `names.py`."""

from __future__ import annotations

from ner_distill.data.sample.grammar import Rules, lines, words

SPANISH_NAMES: Rules = {
    "PER": lines("<PER.m>\n<PER.f>"),
    "PER.m": lines(
        """
        *6 <first.m> <last>
        *3 <first.m> <last> <last>
        *2 <last.plain>
        <first.m> <last.plain> y <last.plain>
        """
    ),
    "PER.f": lines("*6 <first.f> <last>\n*3 <first.f> <last> <last>\n*2 <last.plain>"),
    "PER.short": lines("*4 <last.plain>\n<first.m> <last>\n<first.f> <last>"),
    "first.m": lines("*5 <iberian.m>\n*2 <given.m>\n<anglo.m>\nJosé <iberian.m>\nJuan <iberian.m>"),
    "first.f": lines("*5 <iberian.f>\n*2 <given.f>\n<anglo.f>\nMaría <iberian.f>\nAna <given.f>"),
    "last": lines("*8 <iberian>\n*2 <anglo>\n*3 <surname>\nde la <torre>\ndel <rio>"),
    "torre": words("Torre Cruz Fuente Vega Peña Calle Rosa Mata Hoz Serna"),
    "rio": words("Río Valle Campo Bosque Castillo Pino Olmo Moral Pozo"),
    "last.plain": lines("*3 <iberian.known>\n<monte><verde>\n<etxe><aga>\n<surname>\n<anglo.known>\n<iberian.town>"),
    "LOC": lines("*5 <LOC.city>\n*4 <LOC.country>\n<LOC.nature>\n<region>\n<region.own>"),
    "place": lines("*14 <LOC>\nla <LOC.f>\nel <LOC.m>"),
    "LOC.f": lines("[Sierra|Laguna|Isla|Plaza] de <town>\n[Avenida|Plaza|Calle] de <iberian>\nCalle <iberian.known>"),
    "LOC.m": lines(
        """
        [Valle|Puerto|Cabo] de <town>
        Monte <iberian.known>
        Paseo de <iberian>
        [Cáucaso|Caribe|Mediterráneo|Amazonas]
        """
    ),
    "LOC.city": lines("*4 <city>\n*4 <city.own>\n*3 <town>"),
    "LOC.country": lines("*3 <country>\n*3 <country.own>"),
    "LOC.nature": lines(
        """
        <monte><verde> de <rio.near>
        Villanueva de <town.short>
        Alcalá de <town.short>
        """
    ),
    "rio.near": words("Duero Tajo Ebro Henares Júcar Segre Mondego Jalón"),
    "city.own": words(
        "Londres París Nueva_York Moscú Bruselas Ginebra Zaragoza Málaga Córdoba Granada Cádiz Badajoz Cáceres "
        "Mérida Pamplona San_Sebastián Vitoria Santander Gijón La_Coruña Tarragona Gerona Almería Albacete Medellín "
        "Guayaquil Lisboa Roma Praga Viena Bagdad Tokio Bogotá Asunción"
    ),
    "country.own": words(
        "España Francia Alemania Italia Inglaterra Escocia Rusia Japón Brasil México Perú Suecia Noruega Turquía "
        "Egipto Grecia Polonia Hungría Marruecos Croacia Sudáfrica Holanda Irlanda Canadá Estados_Unidos "
        "Gran_Bretaña Argelia"
    ),
    "region.own": words(
        "Cataluña Extremadura Euskadi Navarra Asturias Castilla_y_León La_Rioja América_Latina Latinoamérica"
    ),
    "ORG.company": lines(
        """
        *5 <brand>
        Hermanos <iberian.known>
        <brand> S.A.
        Transportes <town.short>
        <brand> España
        <anglo> [Group|Motors|Foods]
        Aceros de <town>
        """
    ),
    "ORG.bank": lines("Banco <iberian>\nGrupo <iberian>\nBanco de <city>\nGrupo <brand>"),
    "ORG.m": lines(
        """
        Ministerio de [Defensa|Economía|Sanidad|Interior|Asuntos Exteriores]
        Banco [Central|Nacional] de <country>
        *2 Ayuntamiento de <LOC.city>
        Tribunal [Supremo|Constitucional]
        Partido [Popular|Socialista|Liberal|Verde|Nacionalista]
        Instituto Nacional de [Estadística|Salud|Cultura]
        Colegio de [Abogados|Médicos|Arquitectos] de <city>
        Hospital <torre>
        [Gobierno|Senado|Congreso]
        Centro de Estudios <iberian.known>
        """
    ),
    "ORG.f": lines(
        """
        *2 Universidad de <LOC.city>
        Fundación <iberian>
        Federación <nat.cap> de [Fútbol|Tenis|Atletismo]
        Cámara de Comercio de <LOC.city>
        Asociación de [Escritores|Agricultores|Pilotos] de <place>
        Guardia Civil
        Cruz Roja
        Junta de <region.own>
        Diputación de <city.team>
        Bolsa de <city>
        """
    ),
    "nat.cap": words("Española Francesa Italiana Argentina Chilena Colombiana Mexicana Peruana Europea"),
    "ORG.acronym": lines("<acronym>"),
    "ORG.agency": lines("<agency>"),
    "ORG.paper": lines("El <press>\nLa <paper>\nEl Diario de <city>\nEl Correo de <city.own>"),
    "press": words("Mundo Correo Heraldo Norte Imparcial Comercio Liberal"),
    "paper": words("Voz Nación Tribuna Verdad Prensa Crónica Vanguardia"),
    "ORG.club": lines("*5 <club>\n*3 <city.team>\nDeportivo <town.short>\nReal <city.team>\nUnión <iberian.town>"),
    "city.team": words("Zaragoza Málaga Córdoba Granada Cádiz Badajoz Mérida Albacete Almería Sevilla Huelva"),
    "ORG.nation": lines("<country>\n<country.own>"),
    "MISC.model": lines("<model>"),
    "MISC.event.m": lines(
        """
        Gran Premio de <country>
        [Abierto|Open|Masters] de <city>
        [Rally|Masters] <city>
        Maratón de <city>
        Festival de [Cine|Teatro] de <city.own>
        Premio <iberian.known>
        Mundial <year>
        """
    ),
    "MISC.event.f": lines(
        """
        Copa <country>
        Copa del Rey
        Copa Davis
        Liga
        Vuelta a <country.own>
        Feria de <city.team>
        Cumbre de <city>
        """
    ),
    "MISC.work": lines(
        """
        El <work.es>
        La <work.f> de <given.f>
        [Cartas|Canciones|Cuentos] de <town>
        El <work.es> [perdido|de la noche|sin nombre]
        Los [últimos|largos|otros] [veranos|caminos|días]
        """
    ),
    "work.es": words("Silencio Regreso Jardín Olvido Viajero Puente Secreto"),
    "work.f": words("Casa Noche Novia Voz Sombra Herencia"),
}
