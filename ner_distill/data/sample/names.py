"""Names that the English and the Spanish sample share: what one language can teach about the other.

The long tail is composed of syllables (`<north><sen>`), so that a test file holds many names no model has seen.
"""

from __future__ import annotations

from ner_distill.data.sample.grammar import Rules, lines, words

NAMES: Rules = {
    # People of everywhere
    "given.m": words(
        "Daniel David Samuel Adrian Oscar Hugo Victor Martin Simon Bruno Marco Omar Karim Ivan Boris Igor Pavel Tomas "
        "Milan Goran Lars Erik Sven Nils Kenji Hiro Takeshi Rashid Anwar Emil Anton Abel Ismael Jordan Leo Max Felix"
    ),
    "given.f": words(
        "Ana Laura Sara Marta Eva Clara Elena Irina Olga Nadia Vera Amina Leila Carla Paula Andrea Julia Silvia Sandra "
        "Diana Victoria Florencia Ingrid Astrid Helga Keiko Yuki Naomi Monica Nora Ines Tamara Valeria Mila"
    ),
    "surname": lines("<slav><ov>\n<nihon><moto>\n<north><sen>\n<wald><mann>\nal-<arab>\nBen <arab>\n<surname.known>"),
    "surname.known": words(
        "Petrov Novak Horvat Nakamura Larsen Weber Rossi Ferrari Khan Silva Costa Moreau Haddad Kovac"
    ),
    "slav": words("Petr Ivan Bor Mark Luk Vas Gor Rad Sok Mil Stan Pavl Kuzn Dragan Zor Lev Tar Kras Bel Nov"),
    "ov": words("ov ovic enko ski in evic ak"),
    "nihon": words("Yama Naka Taka Kawa Mori Fuji Ishi Matsu Oka Kita Hara Nishi"),
    "moto": words("moto da shita mura no hara zaki saki gawa"),
    "north": words("Lund Sand Holm Dahl Ost Niel Ander Erik Hag Tor Svan Sol"),
    "sen": words("sen strom qvist gren by berg gaard"),
    "wald": words("Stein Wald Hof Berg Reich Kauf Linde Feld Brand Bau Zimmer Eich"),
    "mann": words("mann bauer er stein hauer ler"),
    "arab": words("Rashidi Hamdan Zayed Salim Masri Najjar Farouk Mansour Tikriti Bakr Sabah Thani Jaber Halabi"),
    # Spanish names, which English papers print too
    "iberian.m": words(
        "Juan José Luis Carlos Javier Miguel Pedro Rafael Manuel Fernando Alejandro Sergio Diego Antonio Francisco "
        "Jorge Pablo Ramón Andrés Ignacio Santiago Joaquín Enrique Jesús Álvaro Gonzalo Roberto Ricardo Esteban"
    ),
    "iberian.f": words(
        "María Carmen Isabel Pilar Rosa Teresa Lucía Cristina Beatriz Mercedes Dolores Raquel Alicia Inés Nuria "
        "Patricia Rocío Susana Verónica Gloria Esperanza Concepción Lourdes Marisol Ángeles Belén"
    ),
    "iberian": lines("*3 <iberian.known>\n<monte><verde>\n<etxe><aga>\n<iberian.town>\n<gonzal>ez"),
    "iberian.known": words(
        "García Fernández González Rodríguez López Martínez Sánchez Pérez Gómez Ruiz Díaz Moreno Álvarez Romero "
        "Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano Molina Ortega Delgado Castro Ortiz Marín "
        "Iglesias Herrera"
    ),
    "iberian.town": words(
        "Burgos Toledo Zamora Soria Ávila Medina Cuenca Sevilla Valencia Aragón Lugo Segovia Trujillo"
    ),
    "gonzal": words("Bermúd Ordóñ Galínd Velásqu Menénd Ibáñ Estév Gutiérr Juár Benít Gálv Narvá Suár Yáñ"),
    "monte": words("Monte Villa Casa Torre Fuente Piedra Val Campo Roca Puente"),
    "verde": words("verde negro alegre seca blanca mayor longa bella hermosa fría real santa"),
    "etxe": words("Arri Etxe Goi Zubi Urru Men Iri Aguirre Oria Lete Baso"),
    "aga": words("zabal garay eta aga koa beitia mendi barrena goitia"),
    # English names, which Spanish papers print too
    "anglo.m": words(
        "John James William Peter Michael Robert Paul Thomas George Richard Andrew Mark Kevin Brian Austin"
    ),
    "anglo.f": words("Mary Susan Helen Linda Karen Emma Alice Margaret Jane Sarah Nancy Kate Chelsea Charlotte Grace"),
    "anglo": lines("*2 <anglo.known>\n*2 <black><ford>\nMc<black>\nO'<connor>\n<anglo.town>"),
    "anglo.known": words(
        "Smith Jones Taylor Brown Wilson Evans Walker Wright Robinson Thompson Hughes Green Hall Wood Clarke Baker "
        "Carter Mitchell Turner Cooper Ward Morris Bell Murphy Kelly Price Bennett Gray Ross Foster Grant Stone "
        "Young West"
    ),
    "anglo.town": words("Lincoln Washington Preston Houston Bolton Chester Lancaster Wells Hamilton Burton Stafford"),
    "black": words("Black Ash Hart Wind Thorn Brad Whit Lang King Mar Red Stan Holl Col Rad Elm Oak Nor Wake Hatch"),
    "ford": words("ford ley wood well worth field man er shaw ridge son"),
    "connor": words("Connor Brien Neill Hara Leary Shea Dowd Malley Keefe"),
    # Places that both languages write alike
    "city": lines("*9 <city.plain>\n[La Paz|San José|Los Angeles|San Francisco|San Juan|Santa Fe]"),
    "city.plain": lines("*4 <city.one>\n[Buenos Aires|Santa Cruz]"),
    "city.one": words(
        "Madrid Barcelona Bilbao Valencia Lima Quito Caracas Managua Montevideo Santiago Guadalajara Monterrey Oslo "
        "Berlin Liverpool Chicago Dallas Miami Houston Boston Washington Toronto Montreal Porto Milan Dakar Nairobi "
        "Lagos Luanda Rabat Ankara Manila Osaka Kiev Riga Bratislava Murcia Oviedo Vigo Cali Rosario Leeds Delhi "
        "Harare Kabul Bonn Zagreb"
    ),
    "country": words(
        "Argentina Chile Colombia Venezuela Cuba Bolivia Ecuador Paraguay Uruguay Guatemala Honduras Nicaragua "
        "Costa_Rica El_Salvador Puerto_Rico Portugal Angola India Australia Austria Israel China Indonesia Vietnam "
        "Somalia Nigeria Senegal Uganda Zambia Liberia Serbia Bosnia Albania Bulgaria Estonia Kuwait Nepal "
        "Sri_Lanka Congo Andorra"
    ),
    "region": words(
        "Andalucía Galicia Patagonia Siberia California Florida Texas Kosovo Bavaria Toscana Amazonia Chiapas"
    ),
    "town": lines(
        """
        San <given.m>
        San <iberian.m>
        Santa <given.f>
        Santa <iberian.f>
        Puerto <iberian.known>
        Villa <iberian.known>
        <monte><verde>
        <etxe><aga>
        <slav><grad>
        <arab.place><abad>
        <black><ton>
        Port <anglo.known>
        """
    ),
    "town.short": lines("<monte><verde>\n<etxe><aga>\n<slav><grad>\n<black><ton>"),
    "grad": words("ograd ovo insk opol avka"),
    "arab.place": words("Islam Jalal Nasir Hyder Kam Zahr Sultan Mir Bakr"),
    "abad": words("abad pur iya an istan"),
    "ton": words("ton ham bury port mouth dale bridge ville burn"),
    # Organisations that are called the same everywhere
    "brand": lines("*3 <tel><nova>\n<tel>-<nova>\n<tel><nova>"),
    "tel": words(
        "Tel Nov Vex Lum Orb Quan Ser Hydr Pet Aer Cor Mag Fin Gen Int Pan Tri Uni Alt Son Met Zan Sol Dax Vit"
    ),
    "nova": words("nova tek dyne oil net soft ia ex onix alia corp agen tron mar air bank ema al or is era"),
    "acronym": lines("*3 <U><U><U>\n<U><U><U><U>\n<U><U>\n<U><A><U>\n<U><A><U><A>"),
    "U": words("B C D F G L M N P R S T U E"),
    "A": words("A E I O U"),
    "agency": lines("*3 <agency.known>\n<U>NA\nInter<wire>\n<tel>press"),
    "agency.known": words("EPN NPA Norpress Interpress Surpress AFN"),
    "wire": words("press news wire media"),
    "club": lines(
        """
        *4 <city.plain>
        <town.short>
        Real <city>
        Sporting <city>
        Racing <city>
        Atlético <city>
        <city> FC
        FC <city>
        Dinamo <city>
        """
    ),
    "model": lines("<tel><nova> <n.small>\n<tel><nova> <U><n.small>\n<U><U>-<n.small>\n<U><n.small>"),
    # Numbers
    "d": words("1 2 3 4 5 6 7 8 9"),
    "0": words("0 1 2 3 4 5 6 7 8 9"),
    "n.small": lines("<d>\n<d><0>\n<d>00"),
    "n": lines("<d><0>\n<d><0><0>"),
    "goals": words("0 1 2 3 4 5 6"),
    "goals.few": words("0 1 2"),
    "set": words("6-4 6-3 7-5 6-2 7-6 6-1 6-0"),
    "win": words("1-0 2-0 3-0 2-1 3-1 3-2 4-1"),
    "loss": words("0-1 0-2 1-2 1-3 2-3 0-4"),
    "draw": words("0-0 1-1 2-2 3-3"),
    "day": lines("<d>\n1<0>\n2<0>"),
    "year": lines("19<tens><0>\n20<teens>"),
    "tens": words("6 7 8 9 9"),
    "teens": words("01 02 03 04 05 08 10 12 15 18 20 24"),
    "age": lines("2<0>\n3<0>\n4<0>\n5<0>\n6<0>"),
}
